// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Keeps bulk data in the kernel: a socket filter on the capture's own socket. What it does not pass is counted, by flow and
// direction, in maps that the program reads.
//
// Only the beginning of a connection is of interest, so a segment far behind it need not be copied to anybody. Where that
// begins, two parties say:
//
// - This filter, by how far the stream has come: LIMIT_TLS bytes behind the first payload of its direction where both
//   directions began with a TLS handshake record and the talk has turned often enough that the handshake is over; else
//   LIMIT_ANY bytes, beyond which the program follows nothing. What it says must be right also when the program is far
//   behind, so it is careful.
// - The program, as soon as all is told that can be (MODE_SETTLED, and the same for datagrams), or while it must go on
//   (MODE_FOLLOW).
//
// SYN, FIN and RST pass always, and so does whatever is not understood: fragments, options that move things, encapsulations
// that are not listed below. An entry of `shunted` belongs to one connection: it ends with it, and never reaches into the
// next one between the same endpoints.
//
// Compiled by: clang -O2 -target bpf -mcpu=v2 (see build.sh); the object lies beside this file.

#include <linux/bpf.h>

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define htons(x) __builtin_bswap16(x)
#define ntohl(x) __builtin_bswap32(x)
#define ntohll(x) __builtin_bswap64(x)

struct bpf_map_def {
	__u32 type;
	__u32 key_size;
	__u32 value_size;
	__u32 max_entries;
	__u32 map_flags;
};

static void *(*map_lookup)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static long (*map_update)(void *map, const void *key, const void *value, __u64 flags) = (void *)BPF_FUNC_map_update_elem;
static long (*map_delete)(void *map, const void *key) = (void *)BPF_FUNC_map_delete_elem;
static long (*load_bytes)(const void *skb, __u32 offset, void *to, __u32 len) = (void *)BPF_FUNC_skb_load_bytes;
static __u64 (*now_ns)(void) = (void *)BPF_FUNC_ktime_get_ns;

// The connection as the program knows it: the smaller endpoint first, IPv4 addresses in their mapped form.
struct key {
	__u64 low[2], high[2]; // in network order
	__u16 low_port, high_port; // in network order
	__u32 transport;
};

// How the streams of a connection began; sequence numbers in host order, by direction: 0 is from low to high.
struct beginning {
	__u32 first[2];
	__u32 reach[2]; // bytes from `first` to behind the last one seen
	__u8 seen[2];
	__u8 tls[2];
	__u8 turns;
	__u8 last;
	__u8 unused[2];
};

// A connection of which something stays here, or of which nothing may. 64 bytes: the program reads eight numbers.
struct shunted {
	__u64 packets[2];
	__u64 bytes[2];
	__u64 last_ns;
	__u32 next[2]; // behind the last segment
	__u32 first[2]; // of the stream, where this filter saw it begin
	__u8 has_next[2];
	__u8 has_first[2];
	__u8 fin[2];
	__u8 mode;
	__u8 closed;
};

// The first two are this filter's own: what lies before the limit passes.
enum { MODE_LIMIT_TLS = 0, MODE_LIMIT_ANY = 1, MODE_SETTLED = 2, MODE_FOLLOW = 3, MODE_QUIC = 4 };

// What stayed here, by interface and program.
struct place {
	__u32 ifindex;
	__u32 kind;
};
struct total {
	__u64 packets;
	__u64 bytes; // of the frames
};

enum { ETHERNET = 0, NETWORK = 1, COOKED = 2 };

// Forgetting one only makes its connection begin anew here, and pass for longer.
struct bpf_map_def SEC("maps") beginnings = {
	.type = BPF_MAP_TYPE_LRU_HASH,
	.key_size = sizeof(struct key),
	.value_size = sizeof(struct beginning),
	.max_entries = 1 << 16,
};

// Not an LRU map: what it counts must not be forgotten. Where it is full, packets pass.
struct bpf_map_def SEC("maps") shunted = {
	.type = BPF_MAP_TYPE_HASH,
	.key_size = sizeof(struct key),
	.value_size = sizeof(struct shunted),
	.max_entries = 1 << 16,
};

struct bpf_map_def SEC("maps") totals = {
	.type = BPF_MAP_TYPE_PERCPU_HASH,
	.key_size = sizeof(struct place),
	.value_size = sizeof(struct total),
	.max_entries = 1 << 10,
};

// Set by the program before it is loaded.
const volatile __u32 LIMIT_TLS = 32 << 10;
const volatile __u32 LIMIT_ANY = 1 << 20;

// All that can be captured; 0 is nothing.
#define PASS 0x40000
#define SHUNT 0

#define ETH_IPV4 htons(0x0800)
#define ETH_IPV6 htons(0x86dd)
#define ETH_VLAN htons(0x8100)
#define ETH_QINQ htons(0x88a8)
#define TCP 6
#define UDP 17
#define GRE 47
#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define ACK 0x10
// A segment farther off than that is not of this stream: larger than any window in use, small beside 2^32.
#define NEAR (1 << 26)
// ClientHello, ServerHello, and once more each: in every version both sides have then changed to encryption, or the
// certificates are hidden anyhow.
#define TURNS 4

struct layer {
	__u32 at;
	__u16 ethertype; // network order; 0: none
	__u8 protocol;
	__u32 len; // of what is inside, as the header says
};

INLINE int ethernet(struct __sk_buff *skb, struct layer *l, int header)
{
	__u16 type;
	if (header) {
		if (load_bytes(skb, l->at + 12, &type, 2))
			return -1;
		l->at += 14;
	} else {
		type = l->ethertype;
	}
#pragma unroll
	for (int i = 0; i < 3; i++) {
		if (type != ETH_VLAN && type != ETH_QINQ)
			break;
		if (load_bytes(skb, l->at + 2, &type, 2))
			return -1;
		l->at += 4;
	}
	l->ethertype = type;
	return 0;
}

// Steps over an IP header; the addresses into `key`, source first.
INLINE int ip(struct __sk_buff *skb, struct layer *l, struct key *key)
{
	if (l->ethertype == ETH_IPV4) {
		struct {
			__u8 version_ihl, tos;
			__u16 total, id, fragment;
			__u8 ttl, protocol;
			__u16 sum;
			__u32 source, destination;
		} h;
		if (load_bytes(skb, l->at, &h, sizeof(h)) || h.version_ihl >> 4 != 4)
			return -1;
		__u32 len = (h.version_ihl & 15) * 4, total = htons(h.total);
		if (len < 20 || total < len || h.fragment & htons(0x3fff))
			return -1;
		key->low[0] = key->high[0] = 0;
		key->low[1] = ntohll(0xffff00000000ULL | ntohl(h.source));
		key->high[1] = ntohll(0xffff00000000ULL | ntohl(h.destination));
		l->at += len;
		l->len = total - len;
		l->protocol = h.protocol;
		return 0;
	}
	if (l->ethertype == ETH_IPV6) {
		struct {
			__u32 version;
			__u16 len;
			__u8 next, hops;
			__u64 source[2], destination[2];
		} h;
		if (load_bytes(skb, l->at, &h, sizeof(h)) || (h.version & 0xf0) != 0x60 || !h.len)
			return -1;
		key->low[0] = h.source[0];
		key->low[1] = h.source[1];
		key->high[0] = h.destination[0];
		key->high[1] = h.destination[1];
		l->at += 40;
		l->len = htons(h.len);
		l->protocol = h.next;
		return 0;
	}
	return -1;
}

// Enters what a mirror port wraps frames into: VXLAN (RFC 7348), ERSPAN, GRE (RFC 2784, 2890). 0: not one of them.
INLINE int tunnel(struct __sk_buff *skb, struct layer *l)
{
	if (l->protocol == UDP) {
		__u16 port;
		__u8 flags;
		if (load_bytes(skb, l->at + 2, &port, 2))
			return -1;
		if (port != htons(4789))
			return 0;
		if (load_bytes(skb, l->at + 8, &flags, 1) || !(flags & 0x08))
			return -1;
		l->at += 16;
		return ethernet(skb, l, 1) ? -1 : 1;
	}
	if (l->protocol != GRE)
		return 0;
	__u16 gre[2];
	if (load_bytes(skb, l->at, gre, sizeof(gre)))
		return -1;
	__u16 flags = htons(gre[0]);
	// Checksum, key and sequence number may be there; routing and other versions are not understood.
	if (flags & 0x4fff)
		return -1;
	l->at += 4;
	if (flags & 0x8000)
		l->at += 4;
	if (flags & 0x2000)
		l->at += 4;
	if (flags & 0x1000)
		l->at += 4;
	if (gre[1] == htons(0x6558))
		return ethernet(skb, l, 1) ? -1 : 1;
	if (gre[1] == htons(0x88be)) {
		// Type II comes with a sequence number and has a header of its own, type I has neither.
		if (flags & 0x1000)
			l->at += 8;
		return ethernet(skb, l, 1) ? -1 : 1;
	}
	if (gre[1] == htons(0x22eb)) {
		__u8 last;
		if (load_bytes(skb, l->at + 11, &last, 1))
			return -1;
		l->at += last & 1 ? 20 : 12;
		return ethernet(skb, l, 1) ? -1 : 1;
	}
	l->ethertype = gre[1];
	return ethernet(skb, l, 0) ? -1 : 1;
}

INLINE void count(struct __sk_buff *skb, __u32 kind)
{
	struct place place = { .ifindex = skb->ifindex, .kind = kind };
	struct total *total = map_lookup(&totals, &place);
	if (total) {
		total->packets++;
		total->bytes += skb->len;
	} else {
		struct total first = { .packets = 1, .bytes = skb->len };
		map_update(&totals, &place, &first, BPF_NOEXIST);
	}
}

// Keeps a packet here. Only where it is counted.
INLINE int keep(struct __sk_buff *skb, struct shunted *s, __u32 way, __u32 len, __u32 kind)
{
	__sync_fetch_and_add(&s->packets[way & 1], 1);
	__sync_fetch_and_add(&s->bytes[way & 1], len);
	s->last_ns = now_ns();
	count(skb, kind);
	return SHUNT;
}

INLINE int is_near(__u32 sequence, __u32 next)
{
	__u32 off = sequence - next + NEAR;
	return off <= 2 * NEAR;
}

INLINE int datagram(struct __sk_buff *skb, struct layer *l, struct key *key, __u32 way, __u32 kind)
{
	struct shunted *s = map_lookup(&shunted, key);
	if (!s || l->len < 8)
		return PASS;
	if (s->mode == MODE_QUIC) {
		// RFC 9000 section 17.3: a short header. What may begin another connection has a long one.
		__u8 first;
		if (load_bytes(skb, l->at + 8, &first, 1) || first & 0x80)
			return PASS;
	} else if (s->mode != MODE_SETTLED) {
		return PASS;
	}
	return keep(skb, s, way, l->len - 8, kind);
}

INLINE int filter(struct __sk_buff *skb, struct layer *l, __u32 kind)
{
	struct key key = {};
	if (ip(skb, l, &key))
		return PASS;
	int inside = tunnel(skb, l);
	if (inside < 0 || (inside && ip(skb, l, &key)))
		return PASS;
	if (l->protocol != TCP && l->protocol != UDP)
		return PASS;
	struct {
		__u16 source, destination;
		__u32 sequence, acknowledgment;
		__u8 offset, flags;
		__u16 window;
		__u32 rest;
	} h = {};
	if (load_bytes(skb, l->at, &h, 8))
		return PASS;
	key.low_port = h.source;
	key.high_port = h.destination;
	key.transport = l->protocol;
	__u32 way = 0;
	__u64 a = ntohll(key.low[0]), b = ntohll(key.high[0]);
	if (a == b) {
		a = ntohll(key.low[1]);
		b = ntohll(key.high[1]);
	}
	if (a == b) {
		a = htons(h.source);
		b = htons(h.destination);
	}
	if (a > b) {
		__u64 x = key.low[0], y = key.low[1];
		key.low[0] = key.high[0];
		key.low[1] = key.high[1];
		key.high[0] = x;
		key.high[1] = y;
		key.low_port = h.destination;
		key.high_port = h.source;
		way = 1;
	}
	if (l->protocol == UDP)
		return datagram(skb, l, &key, way, kind);
	if (load_bytes(skb, l->at, &h, sizeof(h)))
		return PASS;

	__u32 header = (h.offset >> 4) * 4;
	if (header < 20 || l->len < header)
		return PASS;
	__u32 len = l->len - header, sequence = ntohl(h.sequence);
	struct shunted *s = map_lookup(&shunted, &key);
	if (h.flags & (SYN | FIN | RST)) {
		int opens = (h.flags & (SYN | ACK)) == SYN;
		if (s) {
			if (h.flags & FIN)
				s->fin[way & 1] = 1;
			if (opens || h.flags & RST || (s->fin[0] && s->fin[1]))
				s->closed = 1;
		}
		if (opens)
			map_delete(&beginnings, &key);
		return PASS;
	}
	if (s) {
		if (s->closed || s->mode == MODE_FOLLOW)
			return PASS;
		if (!len)
			return keep(skb, s, way, 0, kind);
		if (s->has_next[way & 1] && !is_near(sequence, s->next[way & 1]))
			return PASS;
		if (s->mode <= MODE_LIMIT_ANY) {
			__u32 limit = s->mode == MODE_LIMIT_TLS ? LIMIT_TLS : LIMIT_ANY;
			if (!s->has_first[way & 1]) {
				s->first[way & 1] = sequence;
				s->has_first[way & 1] = 1;
			}
			// Farther on, sequence numbers may have come around.
			if (s->bytes[way & 1] < 1 << 30 && (__s32)(sequence - s->first[way & 1] - limit) < 0)
				return PASS;
		}
		s->next[way & 1] = sequence + len;
		s->has_next[way & 1] = 1;
		return keep(skb, s, way, len, kind);
	}
	if (!len)
		return PASS;
	struct beginning *begun = map_lookup(&beginnings, &key);
	if (!begun) {
		struct beginning fresh = {};
		fresh.last = 2;
		map_update(&beginnings, &key, &fresh, BPF_NOEXIST);
		begun = map_lookup(&beginnings, &key);
		if (!begun)
			return PASS;
	}
	if (!begun->seen[way & 1]) {
		__u16 record;
		begun->seen[way & 1] = 1;
		begun->first[way & 1] = sequence;
		// A handshake record, of any version.
		begun->tls[way & 1] = len >= 2 && !load_bytes(skb, l->at + header, &record, 2) && record == htons(0x1603);
	}
	__u32 off = sequence - begun->first[way & 1];
	if ((__s32)off < 0)
		return PASS;
	if (off + len > begun->reach[way & 1]) {
		begun->reach[way & 1] = off + len;
		if (begun->last != way) {
			begun->last = way;
			if (begun->turns < TURNS)
				begun->turns++;
		}
	}
	int over = begun->tls[0] && begun->tls[1] && begun->turns >= TURNS;
	if (off < (over ? LIMIT_TLS : LIMIT_ANY))
		return PASS;
	struct shunted first = {};
	first.mode = over ? MODE_LIMIT_TLS : MODE_LIMIT_ANY;
	first.first[0] = begun->first[0];
	first.first[1] = begun->first[1];
	first.has_first[0] = begun->seen[0];
	first.has_first[1] = begun->seen[1];
	// Not by index: the verifier knows no such pointer into the stack.
	if (way) {
		first.next[1] = sequence + len;
		first.has_next[1] = 1;
	} else {
		first.next[0] = sequence + len;
		first.has_next[0] = 1;
	}
	map_update(&shunted, &key, &first, BPF_NOEXIST);
	s = map_lookup(&shunted, &key);
	return s ? keep(skb, s, way, len, kind) : PASS;
}

// Frames of Ethernet, as a packet socket gives them.
SEC("socket/ethernet") int shunt_ethernet(struct __sk_buff *skb)
{
	struct layer l = {};
	// On the loopback every packet passes twice, and libpcap shows the one that comes in.
	if (skb->pkt_type == 4 && skb->ifindex == 1)
		return SHUNT;
	return ethernet(skb, &l, 1) ? PASS : filter(skb, &l, ETHERNET);
}

// Packets of an interface without link headers.
SEC("socket/network") int shunt_network(struct __sk_buff *skb)
{
	struct layer l = { .ethertype = skb->protocol };
	return ethernet(skb, &l, 0) ? PASS : filter(skb, &l, NETWORK);
}

// Packets of all interfaces; their link headers were taken off.
SEC("socket/cooked") int shunt_cooked(struct __sk_buff *skb)
{
	struct layer l = { .ethertype = skb->protocol };
	if (skb->pkt_type == 4 && skb->ifindex == 1)
		return SHUNT;
	return ethernet(skb, &l, 0) ? PASS : filter(skb, &l, COOKED);
}

// Every helper in use is open to any licence.
char LICENSE[] SEC("license") = "MIT";
