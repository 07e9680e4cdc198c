/* maps_letters.c: the letters of slots' states, many at a time: which are valid, which are alike.
 */
#include "store/maps_priv.h"
#include "store/pack.h"

static int valid_letter(uint8_t letter)
{
    return letter > ' ' - 1 && letter < 0x7f && letter != '"' && letter != '\\';
}

typedef uint8_t sixteen __attribute__((vector_size(16)));
typedef uint64_t two __attribute__((vector_size(16)));

static inline int is_zero(sixteen v)
{
    uint64_t halves[2];
    memcpy(halves, &v, sizeof halves);
    return !(halves[0] | halves[1]);
}

/* Which bytes are no states, or `never`. */
static inline sixteen bad_letters(sixteen v, uint8_t never)
{
    return (sixteen)((v < ' ') | (v >= 0x7f) | (v == '"') | (v == '\\') | (v == never));
}

/* A byte at a time, this was a third of a scan. */
int mc_letters_are_valid(const uint8_t *letters, size_t count, uint8_t never)
{
    sixteen bad = {0};
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        sixteen v;
        memcpy(&v, letters + i, sizeof v);
        bad |= bad_letters(v, never);
    }
    int good = is_zero(bad);
    for (; i < count; i++)
        good &= valid_letter(letters[i]) && letters[i] != never;
    return good;
}

const uint8_t *mc_letters_alike(const uint8_t *from, const uint8_t *end)
{
    uint8_t letter = *from;
    for (; from + 64 <= end; from += 64) {
        sixteen v, other = {0};
        for (int i = 0; i < 64; i += 16) {
            memcpy(&v, from + i, sizeof v);
            other |= v ^ letter;
        }
        if (!is_zero(other))
            break;
    }
    while (from < end && *from == letter)
        from++;
    return from;
}

/* A bit for each of 8 letters that is another: the top bits of the bytes that are not 0, gathered
 * by a multiplication. */
static uint64_t other_of_eight(const uint8_t *letters, uint8_t letter)
{
    uint64_t v = mc_load_u64(letters) ^ UINT64_C(0x0101010101010101) * letter;
    uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
    uint64_t tops = (((v & low) + low) | v) & ~low;
    return (tops >> 7) * UINT64_C(0x0102040810204080) >> 56;
}

/* Mostly all are the letter, or none is. */
uint64_t mc_letters_other(const uint8_t letters[64], uint8_t letter)
{
    sixteen v, same = {0}, other = {0};
    for (int i = 0; i < 64; i += 16) {
        memcpy(&v, letters + i, sizeof v);
        same |= (sixteen)(v == letter);
        other |= v ^ letter;
    }
    if (is_zero(same))
        return UINT64_MAX;
    uint64_t bits = 0;
    for (unsigned i = 0; !is_zero(other) && i < 64; i += 8)
        bits |= other_of_eight(letters + i, letter) << i;
    return bits;
}

/* Sixteen bits become sixteen bytes, of all ones or none, that choose between old and new. */
void mc_letters_set(uint8_t letters[64], uint64_t bits, uint8_t letter)
{
    const sixteen bit_of = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    for (int i = 0; i < 64; i += 16, bits >>= 16) {
        two bytes = {(bits & 255) * UINT64_C(0x0101010101010101),
                     (bits >> 8 & 255) * UINT64_C(0x0101010101010101)};
        sixteen was, is_set = (sixteen)(((sixteen)bytes & bit_of) == bit_of);
        memcpy(&was, letters + i, sizeof was);
        was = (was & ~is_set) | (is_set & letter);
        memcpy(letters + i, &was, sizeof was);
    }
}
