/* A client and a server on mbed TLS.
 *
 *     mbedtls-ends client ADDRESS PORT NAME [KEY=VALUE]...
 *     mbedtls-ends server PORT CERTIFICATE KEY [CERTIFICATE KEY] [KEY=VALUE]...
 *
 * KEY: min, max ("1.0" … "1.2"), suites, groups, hashes (separated by commas), ems, etm ("0"). An empty NAME sends none.
 * The client prints the page if it came through, the server a line for each connection: address, then "completed" or the error.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/dhm.h>
#include <mbedtls/ecp.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ciphersuites.h>
#include <mbedtls/x509_crt.h>

static const char PAGE[] = "the cut-over page\n";
static const char REQUEST[] = "GET /page.html HTTP/1.0\r\nHost: www.cutover.example\r\n\r\n";

static int suites[64], hashes[8];
static mbedtls_ecp_group_id groups[16];
static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context random_bytes;

static void fail(const char *what, int code)
{
    char text[200] = "";
    mbedtls_strerror(code, text, sizeof text);
    printf("said: %s: -0x%04x %s\n", what, -code, text);
}

static int minor(const char *version)
{
    return version[2] - '0' + 1;
}

/* Splits at commas into `words`, at most `most`; gives how many. */
static int split(char *text, char **words, int most)
{
    int n = 0;
    for (char *word = strtok(text, ","); word && n < most; word = strtok(NULL, ","))
        words[n++] = word;
    return n;
}

static void configure(mbedtls_ssl_config *config, int count, char **options)
{
    for (int i = 0; i < count; i++) {
        char *value = strchr(options[i], '='), *words[63];
        if (!value)
            continue;
        *value++ = 0;
        if (!strcmp(options[i], "min")) {
            mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, minor(value));
        } else if (!strcmp(options[i], "max")) {
            mbedtls_ssl_conf_max_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, minor(value));
        } else if (!strcmp(options[i], "suites")) {
            int n = split(value, words, 63);
            for (int j = 0; j < n; j++) {
                for (char *c = words[j]; *c; c++)
                    if (*c == '_')
                        *c = '-';
                suites[j] = mbedtls_ssl_get_ciphersuite_id(words[j]);
                if (!suites[j]) {
                    printf("said: no suite %s\n", words[j]);
                    exit(2);
                }
            }
            mbedtls_ssl_conf_ciphersuites(config, suites);
        } else if (!strcmp(options[i], "groups")) {
            int n = split(value, words, 15);
            for (int j = 0; j < n; j++)
                groups[j] = mbedtls_ecp_curve_info_from_name(words[j])->grp_id;
            groups[n] = MBEDTLS_ECP_DP_NONE;
            mbedtls_ssl_conf_curves(config, groups);
        } else if (!strcmp(options[i], "hashes")) {
            int n = split(value, words, 7);
            for (int j = 0; j < n; j++)
                hashes[j] = mbedtls_md_get_type(mbedtls_md_info_from_string(words[j]));
            hashes[n] = MBEDTLS_MD_NONE;
            mbedtls_ssl_conf_sig_hashes(config, hashes);
        } else if (!strcmp(options[i], "ems")) {
            mbedtls_ssl_conf_extended_master_secret(config, atoi(value));
        } else if (!strcmp(options[i], "etm")) {
            mbedtls_ssl_conf_encrypt_then_mac(config, atoi(value));
        }
    }
}

static int client(int count, char **words)
{
    mbedtls_net_context net;
    mbedtls_ssl_context tls;
    mbedtls_ssl_config config;
    unsigned char text[4096];
    int code;

    mbedtls_net_init(&net);
    mbedtls_ssl_init(&tls);
    mbedtls_ssl_config_init(&config);
    mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random_bytes);
    mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_NONE);
    mbedtls_ssl_conf_read_timeout(&config, 8000);
    configure(&config, count - 3, words + 3);
    mbedtls_ssl_setup(&tls, &config);
    if (*words[2])
        mbedtls_ssl_set_hostname(&tls, words[2]);
    if ((code = mbedtls_net_connect(&net, words[0], words[1], MBEDTLS_NET_PROTO_TCP)) != 0) {
        fail("connect", code);
        return 1;
    }
    mbedtls_ssl_set_bio(&tls, &net, mbedtls_net_send, NULL, mbedtls_net_recv_timeout);
    if ((code = mbedtls_ssl_handshake(&tls)) != 0) {
        fail("handshake", code);
        return 1;
    }
    printf("said: %s %s\n", mbedtls_ssl_get_version(&tls), mbedtls_ssl_get_ciphersuite(&tls));
    mbedtls_ssl_write(&tls, (const unsigned char *)REQUEST, sizeof REQUEST - 1);
    while ((code = mbedtls_ssl_read(&tls, text, sizeof text)) > 0)
        fwrite(text, 1, code, stdout);
    mbedtls_ssl_close_notify(&tls);
    return 0;
}

static void answer(mbedtls_net_context *net, mbedtls_ssl_config *config, const char *address)
{
    mbedtls_ssl_context tls;
    unsigned char text[4096];
    char page[200];
    int code;

    mbedtls_ssl_init(&tls);
    mbedtls_ssl_setup(&tls, config);
    mbedtls_ssl_set_bio(&tls, net, mbedtls_net_send, NULL, mbedtls_net_recv_timeout);
    /* To the request's end: in TLS 1.0 many clients send its first byte alone (CVE-2011-3389), and what is left unread makes close() a reset. */
    if ((code = mbedtls_ssl_handshake(&tls)) == 0)
        for (size_t all = 0; all < sizeof text && (code = mbedtls_ssl_read(&tls, text + all, sizeof text - all)) > 0;)
            if (all += (size_t)code, all >= 4 && !memcmp(text + all - 4, "\r\n\r\n", 4))
                break;
    if (code > 0) {
        int length = snprintf(page, sizeof page, "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\nContent-Length: %zu\r\n\r\n%s", sizeof PAGE - 1, PAGE);
        mbedtls_ssl_write(&tls, (const unsigned char *)page, length);
        printf("%s completed %s %s\n", address, mbedtls_ssl_get_version(&tls), mbedtls_ssl_get_ciphersuite(&tls));
        mbedtls_ssl_close_notify(&tls);
    } else {
        char why[200] = "";
        mbedtls_strerror(code, why, sizeof why);
        printf("%s -0x%04x %s\n", address, -code, why);
    }
    fflush(stdout);
}

static int server(int count, char **words)
{
    mbedtls_net_context listener, net;
    mbedtls_ssl_config config;
    mbedtls_x509_crt chains[2];
    mbedtls_pk_context keys[2];
    int i, n = 0;

    mbedtls_ssl_config_init(&config);
    mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random_bytes);
    mbedtls_ssl_conf_read_timeout(&config, 8000);
    /* ffdhe2048; its default is none of RFC 7919's, which a client may refuse without a word of it in its hello. */
    static const unsigned char prime[] = MBEDTLS_DHM_RFC7919_FFDHE2048_P_BIN, generator[] = MBEDTLS_DHM_RFC7919_FFDHE2048_G_BIN;
    mbedtls_ssl_conf_dh_param_bin(&config, prime, sizeof prime, generator, sizeof generator);
    for (i = 1; i + 1 < count && !strchr(words[i], '=') && n < 2; i += 2, n++) {
        mbedtls_x509_crt_init(&chains[n]);
        mbedtls_pk_init(&keys[n]);
        if (mbedtls_x509_crt_parse_file(&chains[n], words[i]) || mbedtls_pk_parse_keyfile(&keys[n], words[i + 1], NULL)) {
            printf("said: cannot read %s\n", words[i]);
            return 2;
        }
        mbedtls_ssl_conf_own_cert(&config, &chains[n], &keys[n]);
    }
    configure(&config, count - i, words + i);
    mbedtls_net_init(&listener);
    if (mbedtls_net_bind(&listener, "0.0.0.0", words[0], MBEDTLS_NET_PROTO_TCP) != 0)
        return 2;
    signal(SIGCHLD, SIG_IGN);
    printf("listening\n");
    fflush(stdout);
    for (;;) {
        unsigned char address[4];
        size_t length;
        char text[20];
        mbedtls_net_init(&net);
        if (mbedtls_net_accept(&listener, &net, address, sizeof address, &length) != 0)
            continue;
        inet_ntop(AF_INET, address, text, sizeof text);
        /* A process each: a client that waits shall not keep the others. */
        if (fork() == 0) {
            mbedtls_ctr_drbg_reseed(&random_bytes, (const unsigned char *)text, strlen(text));
            answer(&net, &config, text);
            exit(0);
        }
        close(net.fd); /* mbedtls_net_free() would shut the connection down for the child too. */
    }
}

int main(int count, char **words)
{
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&random_bytes);
    mbedtls_ctr_drbg_seed(&random_bytes, mbedtls_entropy_func, &entropy, NULL, 0);
    return count > 4 && !strcmp(words[1], "client") ? client(count - 2, words + 2) : count > 4 && !strcmp(words[1], "server") ? server(count - 2, words + 2) : 2;
}
