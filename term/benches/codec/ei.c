/* libei's turn: takes "m File" for a message, then "d N" or "e N"; answers with nanoseconds for N rounds. */
#include <ei.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static char scratch[MAXATOMLEN_UTF8 + 16];
static char *big;
/* Beside the stack: a pid and a reference take 2 KiB, too much for each of 10,000 levels. */
static erlang_pid pid;
static erlang_ref ref;
static volatile long sink;

static void walk(const char *buf, int *at) {
    int type, size;
    ei_get_type(buf, at, &type, &size);
    switch (type) {
    case ERL_SMALL_INTEGER_EXT: case ERL_INTEGER_EXT: { long v; ei_decode_long(buf, at, &v); sink += v; break; }
    case ERL_ATOM_EXT: case ERL_SMALL_ATOM_EXT: case ERL_ATOM_UTF8_EXT: case ERL_SMALL_ATOM_UTF8_EXT: ei_decode_atom(buf, at, scratch); sink += scratch[0]; break;
    case ERL_FLOAT_EXT: case NEW_FLOAT_EXT: { double d; ei_decode_double(buf, at, &d); sink += d > 0; break; }
    case ERL_BINARY_EXT: { long n; ei_decode_binary(buf, at, big, &n); sink += n; break; }
    case ERL_STRING_EXT: ei_decode_string(buf, at, big); break;
    case ERL_PID_EXT: case ERL_NEW_PID_EXT: ei_decode_pid(buf, at, &pid); sink += pid.num; break;
    case ERL_REFERENCE_EXT: case ERL_NEW_REFERENCE_EXT: case ERL_NEWER_REFERENCE_EXT: ei_decode_ref(buf, at, &ref); sink += ref.n[0]; break;
    case ERL_SMALL_TUPLE_EXT: case ERL_LARGE_TUPLE_EXT: { int n, i; ei_decode_tuple_header(buf, at, &n); for (i = 0; i < n; i++) walk(buf, at); break; }
    case ERL_MAP_EXT: { int n, i; ei_decode_map_header(buf, at, &n); for (i = 0; i < 2 * n; i++) walk(buf, at); break; }
    case ERL_LIST_EXT: case ERL_NIL_EXT: { int n, i; ei_decode_list_header(buf, at, &n); if (n) { for (i = 0; i < n; i++) walk(buf, at); walk(buf, at); } break; }
    default: ei_skip_term(buf, at);
    }
}

/* What is written again: the decoded values, in the order of reading. */
struct item { int type; long number; double real; char *text; long length; erlang_pid pid; erlang_ref ref; };
static struct item *items;
static long count, room;

static struct item *next(int type) {
    if (count == room) items = realloc(items, sizeof *items * (room = room ? 2 * room : 64));
    memset(&items[count], 0, sizeof *items);
    items[count].type = type;
    return &items[count++];
}

static void keep(const char *buf, int *at) {
    int type, size, n, i;
    struct item *item;
    ei_get_type(buf, at, &type, &size);
    item = next(type);
    switch (type) {
    case ERL_SMALL_INTEGER_EXT: case ERL_INTEGER_EXT: item->type = 'i'; ei_decode_long(buf, at, &item->number); break;
    case ERL_ATOM_EXT: case ERL_SMALL_ATOM_EXT: case ERL_ATOM_UTF8_EXT: case ERL_SMALL_ATOM_UTF8_EXT:
        item->type = 'a'; ei_decode_atom_as(buf, at, scratch, sizeof scratch, ERLANG_UTF8, NULL, NULL); item->text = strdup(scratch); break;
    case ERL_FLOAT_EXT: case NEW_FLOAT_EXT: item->type = 'f'; ei_decode_double(buf, at, &item->real); break;
    case ERL_BINARY_EXT: item->type = 'b'; item->text = malloc(size + 1); ei_decode_binary(buf, at, item->text, &item->length); break;
    case ERL_STRING_EXT: item->type = 's'; item->text = malloc(size + 1); ei_decode_string(buf, at, item->text); item->length = size; break;
    case ERL_PID_EXT: case ERL_NEW_PID_EXT: item->type = 'p'; ei_decode_pid(buf, at, &item->pid); break;
    case ERL_REFERENCE_EXT: case ERL_NEW_REFERENCE_EXT: case ERL_NEWER_REFERENCE_EXT: item->type = 'r'; ei_decode_ref(buf, at, &item->ref); break;
    case ERL_SMALL_TUPLE_EXT: case ERL_LARGE_TUPLE_EXT: item->type = 't'; ei_decode_tuple_header(buf, at, &n); item->number = n; for (i = 0; i < n; i++) keep(buf, at); break;
    case ERL_MAP_EXT: item->type = 'm'; ei_decode_map_header(buf, at, &n); item->number = n; for (i = 0; i < 2 * n; i++) keep(buf, at); break;
    case ERL_LIST_EXT: case ERL_NIL_EXT: item->type = 'l'; ei_decode_list_header(buf, at, &n); item->number = n; if (n) { for (i = 0; i < n; i++) keep(buf, at); keep(buf, at); } break;
    default: exit(3);
    }
}

static void encode(ei_x_buff *x) {
    long i;
    x->index = 0;
    ei_x_encode_version(x);
    for (i = 0; i < count; i++) {
        struct item *item = &items[i];
        switch (item->type) {
        case 'i': ei_x_encode_long(x, item->number); break;
        case 'a': ei_x_encode_atom_as(x, item->text, ERLANG_UTF8, ERLANG_UTF8); break;
        case 'f': ei_x_encode_double(x, item->real); break;
        case 'b': ei_x_encode_binary(x, item->text, item->length); break;
        case 's': ei_x_encode_string_len(x, item->text, item->length); break;
        case 'p': ei_x_encode_pid(x, &item->pid); break;
        case 'r': ei_x_encode_ref(x, &item->ref); break;
        case 't': ei_x_encode_tuple_header(x, item->number); break;
        case 'm': ei_x_encode_map_header(x, item->number); break;
        case 'l': if (item->number) ei_x_encode_list_header(x, item->number); else ei_x_encode_empty_list(x); break;
        }
    }
}

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void) {
    char verb, argument[4096], *buf = NULL;
    long n, i;
    FILE *file;
    ei_x_buff x;
    ei_x_new(&x);
    while (scanf(" %c %4095s", &verb, argument) == 2) {
        long long begin;
        int at = 0, version;
        if (verb == 'm') {
            file = fopen(argument, "rb");
            if (!file) return 2;
            fseek(file, 0, SEEK_END);
            n = ftell(file);
            rewind(file);
            free(buf); free(big);
            buf = malloc(n); big = malloc(n + 1);
            if (fread(buf, 1, n, file) != (size_t)n) return 2;
            fclose(file);
            for (i = 0; i < count; i++) free(items[i].text);
            count = 0;
            ei_decode_version(buf, &at, &version);
            keep(buf, &at);
            continue;
        }
        n = atol(argument);
        begin = now();
        for (i = 0; i < n; i++) {
            if (verb == 'd') { at = 0; ei_decode_version(buf, &at, &version); walk(buf, &at); }
            else encode(&x);
        }
        printf("%lld\n", now() - begin);
        fflush(stdout);
    }
    return 0;
}
