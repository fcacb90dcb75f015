/* The C node of the comparison: echo, sink and source with erl_interface (libei), one connection at a time.
 *
 *     ei_node ALIVE COOKIE        ERL_EPMD_PORT says where epmd is
 */
#include <ei.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void fail(const char *what) {
    fprintf(stderr, "ei_node: %s (erl_errno %d)\n", what, erl_errno);
    exit(1);
}

/* Decodes a term as a program does that looks at all of it; what is no list, tuple, map, number or atom is passed over. */
static int decode(const char *buf, int *index) {
    int type, size, arity;
    if (ei_get_type(buf, index, &type, &size) < 0) return -1;
    switch (type) {
    case ERL_SMALL_INTEGER_EXT:
    case ERL_INTEGER_EXT: {
        long value;
        return ei_decode_long(buf, index, &value);
    }
    case ERL_ATOM_EXT:
    case ERL_SMALL_ATOM_EXT:
    case ERL_ATOM_UTF8_EXT:
    case ERL_SMALL_ATOM_UTF8_EXT: {
        char atom[MAXATOMLEN_UTF8];
        return ei_decode_atom(buf, index, atom);
    }
    case ERL_SMALL_TUPLE_EXT:
    case ERL_LARGE_TUPLE_EXT:
        if (ei_decode_tuple_header(buf, index, &arity) < 0) return -1;
        for (int i = 0; i < arity; i++)
            if (decode(buf, index) < 0) return -1;
        return 0;
    case ERL_NIL_EXT:
    case ERL_LIST_EXT:
        if (ei_decode_list_header(buf, index, &arity) < 0) return -1;
        for (int i = 0; i < arity; i++)
            if (decode(buf, index) < 0) return -1;
        return arity > 0 ? decode(buf, index) : 0;
    case ERL_MAP_EXT:
        if (ei_decode_map_header(buf, index, &arity) < 0) return -1;
        for (int i = 0; i < 2 * arity; i++)
            if (decode(buf, index) < 0) return -1;
        return 0;
    default:
        return ei_skip_term(buf, index);
    }
}

/* {From, Term} */
static void echo(int fd, const char *buf, int index, int end) {
    static ei_x_buff reply;
    int arity;
    erlang_pid from;
    if (ei_decode_tuple_header(buf, &index, &arity) < 0 || arity != 2 || ei_decode_pid(buf, &index, &from) < 0) return;
    if (reply.buff == NULL) ei_x_new(&reply);
    reply.index = 0;
    ei_x_encode_version(&reply);
    ei_x_encode_tuple_header(&reply, 2);
    ei_x_encode_atom(&reply, "echo");
    ei_x_append_buf(&reply, buf + index, end - index);
    if (ei_send(fd, &from, reply.buff, reply.index) < 0) fail("echo");
}

/* {From, Ref, count} is answered; everything else is decoded and counted. */
static void sink(int fd, const char *buf, int index) {
    static long count;
    int arity, at = index;
    erlang_pid from;
    erlang_ref ref;
    char atom[MAXATOMLEN_UTF8];
    if (ei_decode_tuple_header(buf, &at, &arity) == 0 && arity == 3 && ei_decode_pid(buf, &at, &from) == 0
        && ei_decode_ref(buf, &at, &ref) == 0 && ei_decode_atom(buf, &at, atom) == 0 && strcmp(atom, "count") == 0) {
        ei_x_buff reply;
        ei_x_new_with_version(&reply);
        ei_x_encode_tuple_header(&reply, 2);
        ei_x_encode_ref(&reply, &ref);
        ei_x_encode_long(&reply, count);
        if (ei_send(fd, &from, reply.buff, reply.index) < 0) fail("count");
        ei_x_free(&reply);
        count = 0;
    } else if (decode(buf, &index) == 0) {
        count++;
    }
}

/* {From, N, Term} */
static void source(int fd, const char *buf, int index, int end) {
    int arity;
    long count;
    erlang_pid from;
    ei_x_buff message;
    if (ei_decode_tuple_header(buf, &index, &arity) < 0 || arity != 3 || ei_decode_pid(buf, &index, &from) < 0
        || ei_decode_long(buf, &index, &count) < 0)
        return;
    ei_x_new_with_version(&message);
    ei_x_append_buf(&message, buf + index, end - index);
    for (long i = 0; i < count; i++)
        if (ei_send(fd, &from, message.buff, message.index) < 0) fail("source");
    ei_x_free(&message);
    ei_x_new_with_version(&message);
    ei_x_format_wo_ver(&message, "{source, done, ~l}", count);
    if (ei_send(fd, &from, message.buff, message.index) < 0) fail("source done");
    ei_x_free(&message);
}

static void serve(int fd) {
    erlang_msg about;
    ei_x_buff in;
    ei_x_new(&in);
    for (;;) {
        int index = 0, version, end;
        in.index = 0;
        switch (ei_xreceive_msg(fd, &about, &in)) {
        case ERL_TICK:
            continue;
        case ERL_ERROR:
            ei_x_free(&in);
            close(fd);
            return;
        }
        if (about.msgtype != ERL_REG_SEND || ei_decode_version(in.buff, &index, &version) < 0) continue;
        end = in.index;
        if (strcmp(about.toname, "echo") == 0) echo(fd, in.buff, index, end);
        else if (strcmp(about.toname, "sink") == 0) sink(fd, in.buff, index);
        else if (strcmp(about.toname, "source") == 0) source(fd, in.buff, index, end);
    }
}

int main(int argc, char **argv) {
    ei_cnode node;
    ErlConnect peer;
    struct in_addr address = {.s_addr = htonl(INADDR_LOOPBACK)};
    char name[256];
    int port = 0, listener;
    if (argc != 3) fail("usage: ei_node ALIVE COOKIE");
    snprintf(name, sizeof name, "%s@localhost", argv[1]);
    ei_init();
    if (ei_connect_xinit(&node, "localhost", argv[1], name, &address, argv[2], 4) < 0) fail("ei_connect_xinit");
    if ((listener = ei_listen(&node, &port, 5)) < 0) fail("ei_listen");
    if (ei_publish(&node, port) < 0) fail("ei_publish");
    printf("ready %s\n", name);
    fflush(stdout);
    for (;;) {
        int fd = ei_accept(&node, listener, &peer);
        if (fd >= 0) serve(fd);
    }
}
