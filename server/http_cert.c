/* http_cert.c: a self-signed P-256 certificate for this machine's own names, made in memory.
 */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "server/http_priv.h"
#include "tracer/error.h"

#define DAY_SECONDS 86400L

static int add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    int ok = extension && X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
    return ok;
}

static int set_serial(X509 *cert)
{
    unsigned char bytes[16];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return 0;
    bytes[0] &= 0x7f;
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    int ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
    BN_free(number);
    return ok;
}

static int fill(X509 *cert, EVP_PKEY *key)
{
    X509_NAME *name = X509_get_subject_name(cert);
    return X509_set_version(cert, 2) && set_serial(cert) &&
           X509_gmtime_adj(X509_getm_notBefore(cert), -DAY_SECONDS) &&
           X509_gmtime_adj(X509_getm_notAfter(cert), 397 * DAY_SECONDS) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                      (const unsigned char *)"memcam on localhost", -1, -1, 0) &&
           X509_set_issuer_name(cert, name) && X509_set_pubkey(cert, key) &&
           add_extension(cert, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1") &&
           add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(cert, NID_key_usage, "critical,digitalSignature") &&
           add_extension(cert, NID_ext_key_usage, "serverAuth") &&
           X509_sign(cert, key, EVP_sha256());
}

int mc_cert_make(X509 **cert, EVP_PKEY **key, char *fingerprint, size_t fingerprint_bytes)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_bytes = 0;
    EVP_PKEY *k = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    if (!k || !x || !fill(x, k) || !X509_digest(x, EVP_sha256(), digest, &digest_bytes)) {
        X509_free(x);
        EVP_PKEY_free(k);
        return MC_EIO;
    }
    size_t at = 0;
    for (unsigned i = 0; i < digest_bytes && at + 4 < fingerprint_bytes; i++)
        at += (size_t)snprintf(fingerprint + at, fingerprint_bytes - at, i ? ":%02X" : "%02X",
                               digest[i]);
    *cert = x;
    *key = k;
    return 0;
}
