/* A client and a server on BearSSL.
 *
 *     bearssl-ends client ADDRESS PORT NAME [KEY=VALUE]...
 *     bearssl-ends server PORT CERTIFICATE KEY [KEY=VALUE]...
 *
 * KEY: min, max ("1.0" … "1.2"), suites (numbers in hex), groups (numbers), hashes ("sha1", "sha256" …), separated by commas, order ("server").
 * Certificate and key are in DER. An empty NAME sends none.
 * The client prints the page if it came through, the server a line for each connection: address, then "completed" or the error.
 */
#include <arpa/inet.h>
#include <bearssl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static const char PAGE[] = "the cut-over page\n";
static const char REQUEST[] = "GET /page.html HTTP/1.0\r\nHost: www.cutover.example\r\n\r\n";
static const char *const HASHES[] = {NULL, "md5", "sha1", "sha224", "sha256", "sha384", "sha512"};

static unsigned char buffer[BR_SSL_BUFSIZE_BIDI];
static br_ec_impl curves;

static int receive(void *fd, unsigned char *text, size_t most)
{
    ssize_t n = read(*(int *)fd, text, most);
    return n > 0 ? (int)n : -1;
}

static int send_off(void *fd, const unsigned char *text, size_t length)
{
    ssize_t n = write(*(int *)fd, text, length);
    return n > 0 ? (int)n : -1;
}

static void configure(br_ssl_engine_context *tls, int count, char **options)
{
    unsigned min = BR_TLS10, max = BR_TLS12;
    for (int i = 0; i < count; i++) {
        char *value = strchr(options[i], '=');
        if (!value)
            continue;
        *value++ = 0;
        if (!strcmp(options[i], "min")) {
            min = BR_TLS10 + value[2] - '0';
        } else if (!strcmp(options[i], "max")) {
            max = BR_TLS10 + value[2] - '0';
        } else if (!strcmp(options[i], "suites")) {
            uint16_t suites[48];
            unsigned n = 0;
            for (char *word = strtok(value, ","); word && n < 48; word = strtok(NULL, ","))
                suites[n++] = (uint16_t)strtoul(word, NULL, 16);
            br_ssl_engine_set_suites(tls, suites, n);
        } else if (!strcmp(options[i], "groups")) {
            curves = *br_ec_get_default();
            curves.supported_curves = 0;
            for (char *word = strtok(value, ","); word; word = strtok(NULL, ","))
                curves.supported_curves |= 1u << atoi(word);
            br_ssl_engine_set_ec(tls, &curves);
        } else if (!strcmp(options[i], "hashes")) {
            /* MD5 and SHA-1 stay for TLS 1.0 and 1.1 where they are named. */
            for (int id = 1; id <= 6; id++) {
                int listed = 0;
                for (char *at = value; *at; at += strcspn(at, ","), at += *at == ',')
                    listed |= !strncmp(at, HASHES[id], strlen(HASHES[id]));
                if (!listed)
                    br_ssl_engine_set_hash(tls, id, NULL);
            }
        } else if (!strcmp(options[i], "order")) {
            br_ssl_engine_add_flags(tls, BR_OPT_ENFORCE_SERVER_PREFERENCES);
        }
    }
    br_ssl_engine_set_versions(tls, min, max);
}

/* Takes any root: the minimal checker, whose "not trusted" is no error. */
struct any_root {
    const br_x509_class *vtable;
    br_x509_minimal_context *inner;
};

static void start_chain(const br_x509_class **c, const char *name)
{
    (void)name;
    br_x509_minimal_context *inner = ((struct any_root *)c)->inner;
    inner->vtable->start_chain(&inner->vtable, NULL);
}
static void start_cert(const br_x509_class **c, uint32_t length)
{
    br_x509_minimal_context *inner = ((struct any_root *)c)->inner;
    inner->vtable->start_cert(&inner->vtable, length);
}
static void append(const br_x509_class **c, const unsigned char *text, size_t length)
{
    br_x509_minimal_context *inner = ((struct any_root *)c)->inner;
    inner->vtable->append(&inner->vtable, text, length);
}
static void end_cert(const br_x509_class **c)
{
    br_x509_minimal_context *inner = ((struct any_root *)c)->inner;
    inner->vtable->end_cert(&inner->vtable);
}
static unsigned end_chain(const br_x509_class **c)
{
    br_x509_minimal_context *inner = ((struct any_root *)c)->inner;
    unsigned code = inner->vtable->end_chain(&inner->vtable);
    return code == BR_ERR_X509_NOT_TRUSTED ? 0 : code;
}
static const br_x509_pkey *get_pkey(const br_x509_class *const *c, unsigned *usages)
{
    br_x509_minimal_context *inner = ((struct any_root *)c)->inner;
    return inner->vtable->get_pkey(&inner->vtable, usages);
}
static const br_x509_class ANY_ROOT = {sizeof(struct any_root), start_chain, start_cert, append, end_cert, end_chain, get_pkey};

static void bounded(int fd)
{
    struct timeval eight = {8, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &eight, sizeof eight);
}

static int client(int count, char **words)
{
    br_ssl_client_context tls;
    br_x509_minimal_context checker;
    br_sslio_context io;
    struct any_root any = {&ANY_ROOT, &checker};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[1]))};
    int fd = socket(AF_INET, SOCK_STREAM, 0), n;
    char text[4096];

    inet_pton(AF_INET, words[0], &to.sin_addr);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        printf("said: no connection\n");
        return 1;
    }
    bounded(fd);
    br_ssl_client_init_full(&tls, &checker, NULL, 0);
    br_ssl_engine_set_x509(&tls.eng, &any.vtable);
    configure(&tls.eng, count - 3, words + 3);
    br_ssl_engine_set_buffer(&tls.eng, buffer, sizeof buffer, 1);
    br_ssl_client_reset(&tls, *words[2] ? words[2] : NULL, 0);
    br_sslio_init(&io, &tls.eng, receive, &fd, send_off, &fd);
    br_sslio_write_all(&io, REQUEST, sizeof REQUEST - 1);
    br_sslio_flush(&io);
    while ((n = br_sslio_read(&io, text, sizeof text)) > 0)
        fwrite(text, 1, (size_t)n, stdout);
    printf("said: error %d, suite %04x\n", br_ssl_engine_last_error(&tls.eng), tls.eng.session.cipher_suite);
    return 0;
}

static unsigned char *contents(const char *path, size_t *length)
{
    unsigned char *text = malloc(16384);
    FILE *file = fopen(path, "rb");
    if (!file)
        exit(2);
    *length = fread(text, 1, 16384, file);
    fclose(file);
    return text;
}

static void answer(int fd, const char *address, br_x509_certificate *chain, br_skey_decoder_context *key, int count, char **options)
{
    br_ssl_server_context tls;
    br_sslio_context io;
    char text[4096], page[200];
    int n = 0, length = 0;

    if (br_skey_decoder_key_type(key) == BR_KEYTYPE_RSA)
        br_ssl_server_init_full_rsa(&tls, chain, 1, br_skey_decoder_get_rsa(key));
    else
        br_ssl_server_init_full_ec(&tls, chain, 1, BR_KEYTYPE_RSA, br_skey_decoder_get_ec(key));
    configure(&tls.eng, count, options);
    br_ssl_engine_set_buffer(&tls.eng, buffer, sizeof buffer, 1);
    br_ssl_server_reset(&tls);
    br_sslio_init(&io, &tls.eng, receive, &fd, send_off, &fd);
    /* To the request's end: in TLS 1.0 many clients send its first byte alone (CVE-2011-3389), and what is left unread makes close() a reset. */
    for (size_t all = 0; all < sizeof text && (n = br_sslio_read(&io, text + all, sizeof text - all)) > 0;)
        if (all += (size_t)n, all >= 4 && !memcmp(text + all - 4, "\r\n\r\n", 4))
            break;
    if (n > 0) {
        length = snprintf(page, sizeof page, "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\nContent-Length: %zu\r\n\r\n%s", sizeof PAGE - 1, PAGE);
        br_sslio_write_all(&io, page, (size_t)length);
        br_sslio_flush(&io);
        printf("%s completed %04x %04x\n", address, tls.eng.session.version, tls.eng.session.cipher_suite);
        fflush(stdout);
        br_sslio_close(&io);
    } else {
        printf("%s error %d\n", address, br_ssl_engine_last_error(&tls.eng));
        fflush(stdout);
    }
}

static int server(int count, char **words)
{
    br_x509_certificate chain;
    br_skey_decoder_context key;
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[0]))};
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    size_t length;

    chain.data = contents(words[1], &chain.data_len);
    br_skey_decoder_init(&key);
    unsigned char *der = contents(words[2], &length);
    br_skey_decoder_push(&key, der, length);
    if (br_skey_decoder_last_error(&key)) {
        printf("said: cannot read the key: %d\n", br_skey_decoder_last_error(&key));
        return 2;
    }
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) != 0 || listen(listener, 64) != 0)
        return 2;
    signal(SIGCHLD, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    printf("listening\n");
    fflush(stdout);
    for (;;) {
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        int fd = accept(listener, (struct sockaddr *)&from, &size);
        if (fd < 0)
            continue;
        /* A process each: a client that waits shall not keep the others. */
        if (fork() == 0) {
            bounded(fd);
            answer(fd, inet_ntoa(from.sin_addr), &chain, &key, count - 3, words + 3);
            exit(0);
        }
        close(fd);
    }
}

int main(int count, char **words)
{
    signal(SIGPIPE, SIG_IGN);
    return count > 4 && !strcmp(words[1], "client") ? client(count - 2, words + 2) : count > 4 && !strcmp(words[1], "server") ? server(count - 2, words + 2) : 2;
}
