/* http_tls.c: TLS on a connection, between the socket's bytes and the protocol.
 *
 * OpenSSL reads and writes through a BIO of ours that stands directly on the connection's read
 * buffer and on the server's scratch for output: nothing is copied into memory BIOs, and an idle
 * connection holds no buffer. HTTP/1.1 takes input only when it can use it, so its bytes are peeked
 * at first, and what it leaves stays with OpenSSL.
 */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http_priv.h"
#include "tracer/error.h"

/* TLS records' heads and tags, and the handshake's messages. */
#define RECORD_OVERHEAD_BYTES 16384u

/* ---- the BIO: in from the connection's buffer, out to the server's scratch ------------------- */

static BIO_METHOD *bio_method; /* made once per process, by the loop's thread; never freed */

static int bio_read(BIO *bio, char *to, int room)
{
    struct mc_http_conn *c = BIO_get_data(bio);
    uint32_t left = c->in_end - c->in_pos;
    BIO_clear_retry_flags(bio);
    if (left == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    uint32_t bytes = left < (uint32_t)room ? left : (uint32_t)room;
    memcpy(to, c->in + c->in_pos, bytes);
    c->in_pos += bytes;
    return (int)bytes;
}

static int bio_write(BIO *bio, const char *from, int count)
{
    struct mc_http_conn *c = BIO_get_data(bio);
    struct mc_http_server *s = c->server;
    BIO_clear_retry_flags(bio);
    if (count <= 0 || (size_t)count > s->cipher_out_room - s->cipher_out_bytes)
        return -1; /* can't be: there is room for all that one run makes */
    memcpy(s->cipher_out + s->cipher_out_bytes, from, (size_t)count);
    s->cipher_out_bytes += (size_t)count;
    return count;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static BIO_METHOD *get_bio_method(void)
{
    if (bio_method)
        return bio_method;
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "memcam");
    if (!m)
        return NULL;
    BIO_meth_set_read(m, bio_read);
    BIO_meth_set_write(m, bio_write);
    BIO_meth_set_ctrl(m, bio_ctrl);
    BIO_meth_set_create(m, bio_create);
    return bio_method = m;
}

/* ---- a connection --------------------------------------------------------------------------- */

int mc_tls_open(struct mc_http_conn *c)
{
    struct mc_http_server *s = c->server;
    char why[200];
    if (!s->ssl_ctx && mc_tls_init(s, why, sizeof why) < 0) {
        fprintf(stderr, "memcam: %s: %s\n", s->address, why);
        return MC_ENOMEM;
    }
    BIO_METHOD *method = get_bio_method();
    BIO *bio = method ? BIO_new(method) : NULL;
    c->ssl = SSL_new(s->ssl_ctx);
    if (!bio || !c->ssl) {
        BIO_free(bio);
        SSL_free(c->ssl);
        c->ssl = NULL;
        return MC_ENOMEM;
    }
    BIO_set_data(bio, c);
    SSL_set_bio(c->ssl, bio, bio);
    SSL_set_accept_state(c->ssl);
    c->tls_started_ns = uv_hrtime();
    c->accepted_ms = uv_now(s->loop); /* the handshake has its time from here on */
    mc_conn_set_state(c, MC_SLOT_CONNECTING);
    return 0;
}

void mc_tls_close(struct mc_http_conn *c)
{
    SSL_free(c->ssl);
    c->ssl = NULL;
}

/* OpenSSL said no. 0: it wants more input; -1: the connection ends. */
static int judge(struct mc_http_conn *c, int returned)
{
    struct mc_http_server *s = c->server;
    int error = SSL_get_error(c->ssl, returned);
    if (error == SSL_ERROR_WANT_READ)
        return 0;
    unsigned long code = ERR_peek_last_error();
    if (error == SSL_ERROR_ZERO_RETURN) {
        c->peer_eof = 1;
        if (c->proto == MC_PROTO_H1 && c->h1_request && c->h1_request->phase == MC_REQ_ANSWERED &&
            !c->h1_request->streaming)
            c->h1_request->close = 1;
        else
            mc_conn_finish(c, s->str.peer_closed);
    } else {
        const char *reason = ERR_reason_error_string(code);
        mc_conn_error(c, 0, reason ? reason : "TLS failed");
        c->tls_failed = 1;
        mc_conn_finish(c, c->tls_ready ? s->str.protocol_error : s->str.tls_failed);
    }
    ERR_clear_error();
    return -1;
}

static int handshake(struct mc_http_conn *c)
{
    struct mc_http_server *s = c->server;
    const unsigned char *alpn;
    unsigned alpn_bytes;
    char detail[64];
    ERR_clear_error();
    int rc = SSL_do_handshake(c->ssl);
    if (rc != 1)
        return judge(c, rc);
    c->tls_ready = 1;
    SSL_get0_alpn_selected(c->ssl, &alpn, &alpn_bytes);
    int h2 = alpn_bytes == 2 && memcmp(alpn, "h2", 2) == 0;
    snprintf(detail, sizeof detail, "%s %s", SSL_get_version(c->ssl), h2 ? "h2" : "http/1.1");
    mc_event_tls(s->o.tracer, c->id, detail, uv_hrtime() - c->tls_started_ns);
    mc_conn_set_state(c, MC_SLOT_ACTIVE);
    c->proto = MC_PROTO_H1;
    if (h2 && mc_h2_open(c) < 0) {
        mc_conn_close(c, s->str.limit);
        return -1;
    }
    return 0;
}

static int input_h2(struct mc_http_conn *c)
{
    int got = SSL_read(c->ssl, c->server->plain_in, MC_BUFFER_BYTES);
    if (got <= 0) {
        judge(c, got);
        return -1;
    }
    mc_h2_input(c, c->server->plain_in, (size_t)got);
    return 0;
}

static int input_h1(struct mc_http_conn *c)
{
    if (!mc_h1_wants_input(c))
        return -1;
    int got = SSL_peek(c->ssl, c->server->plain_in, MC_BUFFER_BYTES);
    if (got <= 0) {
        judge(c, got);
        return -1;
    }
    size_t taken = mc_h1_input(c, c->server->plain_in, (size_t)got);
    return taken && SSL_read(c->ssl, c->server->plain_in, (int)taken) == (int)taken ? 0 : -1;
}

void mc_tls_input(struct mc_http_conn *c)
{
    if (c->tls_failed || c->proto == MC_PROTO_DRAIN) {
        c->in_pos = c->in_end;
        return;
    }
    if (!c->tls_ready && handshake(c) < 0)
        return;
    if (!c->tls_ready)
        return;
    ERR_clear_error();
    while (!c->doomed && !c->finish)
        if ((c->h2 ? input_h2(c) : input_h1(c)) < 0)
            break;
    if (c->finish)
        c->in_pos = c->in_end;
}

int mc_tls_seal(struct mc_http_conn *c, const uint8_t *bytes, size_t count)
{
    ERR_clear_error();
    while (count) {
        int sealed = SSL_write(c->ssl, bytes, (int)count);
        if (sealed <= 0) {
            c->tls_failed = 1;
            mc_conn_close(c, c->server->str.tls_failed);
            return -1;
        }
        bytes += sealed;
        count -= (size_t)sealed;
    }
    return 0;
}

void mc_tls_bye(struct mc_http_conn *c)
{
    if (c->tls_ready && !c->tls_failed && !(SSL_get_shutdown(c->ssl) & SSL_SENT_SHUTDOWN)) {
        ERR_clear_error();
        SSL_shutdown(c->ssl);
    }
}

/* ---- the server's context ------------------------------------------------------------------- */

/* h2, else http/1.1; a client that offers neither gets HTTP/1.1 all the same. */
static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_bytes,
                       const unsigned char *in, unsigned in_bytes, void *arg)
{
    static const unsigned char ours[] = "\x02h2\x08http/1.1";
    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_bytes, ours, sizeof ours - 1,
                              in, in_bytes) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    return SSL_TLSEXT_ERR_OK;
}

static int use_files(SSL_CTX *ctx, const struct mc_http_options *o, char *why, size_t why_bytes)
{
    const char *bad = NULL, *what = NULL;
    ERR_clear_error();
    if (!o->cert_file || !o->key_file) {
        snprintf(why, why_bytes, "a certificate needs its key: give both files, or neither");
        return MC_EINVAL;
    }
    if (SSL_CTX_use_certificate_chain_file(ctx, o->cert_file) != 1) {
        bad = o->cert_file;
        what = "a PEM certificate";
    } else if (SSL_CTX_use_PrivateKey_file(ctx, o->key_file, SSL_FILETYPE_PEM) != 1) {
        bad = o->key_file;
        what = "the PEM key of the certificate";
    }
    if (!bad)
        return 0;
    unsigned long code = ERR_peek_error(); /* the first one is the cause */
    const char *reason =
        ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
    snprintf(why, why_bytes, "%s: can't be read as %s (%s); check the file", bad, what,
             reason ? reason : "unknown reason");
    ERR_clear_error();
    return MC_EFORMAT;
}

static int use_own(SSL_CTX *ctx, const char *address, char *why, size_t why_bytes)
{
    X509 *cert = NULL;
    EVP_PKEY *key = NULL;
    char fingerprint[100];
    int ok = mc_cert_make(&cert, &key, fingerprint, sizeof fingerprint) == 0 &&
             SSL_CTX_use_certificate(ctx, cert) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1;
    X509_free(cert);
    EVP_PKEY_free(key);
    if (!ok) {
        snprintf(why, why_bytes, "can't make a certificate; give one with its key as files");
        return MC_EIO;
    }
    fprintf(stderr, "memcam: %s: no certificate given, using a self-signed one, SHA-256 %s\n",
            address, fingerprint);
    return 0;
}

int mc_tls_init(struct mc_http_server *s, char *why, size_t why_bytes)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    s->cipher_out_room = MC_OUT_ROOM + RECORD_OVERHEAD_BYTES;
    s->cipher_out = malloc(s->cipher_out_room);
    if (!ctx || !s->cipher_out) {
        SSL_CTX_free(ctx);
        free(s->cipher_out);
        s->cipher_out = NULL;
        snprintf(why, why_bytes, "OpenSSL can't start; check its installation");
        return MC_ENOMEM;
    }
    s->ssl_ctx = ctx;
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    /* RFC 9113 section 9.2.2: of TLS 1.2 only what HTTP/2 allows. */
    SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20");
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_alpn_select_cb(ctx, select_alpn, NULL);
    int rc = s->o.cert_file || s->o.key_file ? use_files(ctx, &s->o, why, why_bytes)
                                             : use_own(ctx, s->address, why, why_bytes);
    if (rc < 0)
        mc_tls_fini(s);
    return rc;
}

void mc_tls_fini(struct mc_http_server *s)
{
    SSL_CTX_free(s->ssl_ctx);
    free(s->cipher_out);
    s->ssl_ctx = NULL;
    s->cipher_out = NULL;
}
