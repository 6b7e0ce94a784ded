/* A client and a server on wolfSSL.
 *
 *     wolfssl-ends client ADDRESS PORT NAME [KEY=VALUE]...
 *     wolfssl-ends server PORT CERTIFICATE KEY [KEY=VALUE]...
 *
 * KEY: min, max ("1.1" … "1.3"), suites, signatures (wolfSSL's names, separated by colons), groups (numbers, separated by commas).
 * An empty NAME sends none. The client prints the page if it came through, the server a line for each connection: address, then "completed" or the error.
 */
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include <arpa/inet.h>
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

static const char *option(int count, char **options, const char *name, const char *otherwise)
{
    size_t length = strlen(name);
    for (int i = 0; i < count; i++)
        if (!strncmp(options[i], name, length) && options[i][length] == '=')
            return options[i] + length + 1;
    return otherwise;
}

static WOLFSSL_CTX *context(int is_server, int count, char **options)
{
    const char *min = option(count, options, "min", ""), *max = option(count, options, "max", "1.3"), *value;
    WOLFSSL_METHOD *method = !strcmp(max, "1.3") ? (is_server ? wolfSSLv23_server_method() : wolfSSLv23_client_method())
                                                 : (is_server ? wolfTLSv1_2_server_method() : wolfTLSv1_2_client_method());
    if (!strcmp(min, "1.3"))
        method = is_server ? wolfTLSv1_3_server_method() : wolfTLSv1_3_client_method();
    WOLFSSL_CTX *tls = wolfSSL_CTX_new(method);
    if (!strcmp(min, "1.1"))
        wolfSSL_CTX_SetMinVersion(tls, WOLFSSL_TLSV1_1);
    if (!strcmp(min, "1.2") && !strcmp(max, "1.3"))
        wolfSSL_CTX_SetMinVersion(tls, WOLFSSL_TLSV1_2);
    wolfSSL_CTX_set_verify(tls, WOLFSSL_VERIFY_NONE, NULL);
    if ((value = option(count, options, "suites", NULL)) && wolfSSL_CTX_set_cipher_list(tls, value) != WOLFSSL_SUCCESS)
        printf("said: no suites %s\n", value);
    if ((value = option(count, options, "signatures", NULL)) && wolfSSL_CTX_set1_sigalgs_list(tls, value) != WOLFSSL_SUCCESS)
        printf("said: no signatures %s\n", value);
    if ((value = option(count, options, "groups", NULL))) {
        int groups[8], n = 0;
        for (const char *at = value; at && n < 8; at = strchr(at, ','), at = at ? at + 1 : NULL)
            groups[n++] = atoi(at);
        /* TLS 1.2 takes the list of supported curves, TLS 1.3 that of groups. */
        for (int i = 0; i < n; i++)
            wolfSSL_CTX_UseSupportedCurve(tls, (word16)groups[i]);
        if (strcmp(max, "1.2"))
            wolfSSL_CTX_set_groups(tls, groups, n);
    }
    return tls;
}

static void bounded(int fd)
{
    struct timeval eight = {8, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &eight, sizeof eight);
}

static const char *error_of(WOLFSSL *session, int code)
{
    static char text[WOLFSSL_MAX_ERROR_SZ];
    return wolfSSL_ERR_error_string((unsigned long)wolfSSL_get_error(session, code), text);
}

static int client(int count, char **words)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[1]))};
    int fd = socket(AF_INET, SOCK_STREAM, 0), code;
    char text[4096];
    WOLFSSL *session = wolfSSL_new(context(0, count - 3, words + 3));

    inet_pton(AF_INET, words[0], &to.sin_addr);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        printf("said: no connection\n");
        return 1;
    }
    bounded(fd);
    if (*words[2])
        wolfSSL_UseSNI(session, WOLFSSL_SNI_HOST_NAME, words[2], (unsigned short)strlen(words[2]));
    wolfSSL_set_fd(session, fd);
    if ((code = wolfSSL_connect(session)) != WOLFSSL_SUCCESS) {
        printf("said: %s\n", error_of(session, code));
        return 1;
    }
    printf("said: %s %s\n", wolfSSL_get_version(session), wolfSSL_get_cipher_name(session));
    wolfSSL_write(session, REQUEST, sizeof REQUEST - 1);
    /* A ticket of TLS 1.3 is read without data coming of it. */
    while ((code = wolfSSL_read(session, text, sizeof text)) > 0 || wolfSSL_get_error(session, code) == WOLFSSL_ERROR_WANT_READ)
        fwrite(text, 1, (size_t)code, stdout);
    wolfSSL_shutdown(session);
    return 0;
}

static void answer(int fd, const char *address, WOLFSSL_CTX *tls)
{
    WOLFSSL *session = wolfSSL_new(tls);
    char text[4096], page[200];
    int code;

    wolfSSL_set_fd(session, fd);
    if ((code = wolfSSL_accept(session)) == WOLFSSL_SUCCESS)
        /* To the request's end: clients may send it in parts, and what is left unread makes close() a reset. */
        for (size_t all = 0; all < sizeof text && (code = wolfSSL_read(session, text + all, (int)(sizeof text - all))) > 0;)
            if (all += (size_t)code, all >= 4 && !memcmp(text + all - 4, "\r\n\r\n", 4))
                break;
    if (code > 0) {
        int length = snprintf(page, sizeof page, "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\nContent-Length: %zu\r\n\r\n%s", sizeof PAGE - 1, PAGE);
        wolfSSL_write(session, page, length);
        printf("%s completed %s %s\n", address, wolfSSL_get_version(session), wolfSSL_get_cipher_name(session));
        fflush(stdout);
        wolfSSL_shutdown(session);
    } else {
        printf("%s %s\n", address, error_of(session, code));
        fflush(stdout);
    }
}

static int server(int count, char **words)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[0]))};
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    WOLFSSL_CTX *tls = context(1, count - 3, words + 3);

    if (wolfSSL_CTX_use_certificate_file(tls, words[1], WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_use_PrivateKey_file(tls, words[2], WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS) {
        printf("said: cannot read %s\n", words[1]);
        return 2;
    }
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) != 0 || listen(listener, 64) != 0)
        return 2;
    signal(SIGCHLD, SIG_IGN);
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
            answer(fd, inet_ntoa(from.sin_addr), tls);
            exit(0);
        }
        close(fd);
    }
}

int main(int count, char **words)
{
    signal(SIGPIPE, SIG_IGN);
    wolfSSL_Init();
    return count > 4 && !strcmp(words[1], "client") ? client(count - 2, words + 2) : count > 4 && !strcmp(words[1], "server") ? server(count - 2, words + 2) : 2;
}
