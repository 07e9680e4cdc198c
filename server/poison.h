/* poison.h: free memory that ASan is to guard, and whether there is ASan. */
#ifndef MC_POISON_H
#define MC_POISON_H

#if defined(__SANITIZE_ADDRESS__)
#define MC_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MC_ASAN 1
#endif
#endif

#ifdef MC_ASAN
#include <sanitizer/asan_interface.h>
#define MC_POISON(at, bytes) ASAN_POISON_MEMORY_REGION(at, bytes)
#define MC_UNPOISON(at, bytes) ASAN_UNPOISON_MEMORY_REGION(at, bytes)
#else
#define MC_ASAN 0
#define MC_POISON(at, bytes) ((void)0)
#define MC_UNPOISON(at, bytes) ((void)0)
#endif

#endif
