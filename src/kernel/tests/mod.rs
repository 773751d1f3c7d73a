//! The BPF programs on crafted packets: loaded, attached to nothing, fed
//! through `BPF_PROG_TEST_RUN`; and the decoding of their records. Names that begin with `root_` need root and fail
//! without it.

mod answers;
mod claims;
mod decode;
mod discarded;
mod header;
mod hooks;
mod ipv4;
mod ipv6;
mod junk;
mod losses;
mod message;
mod packet;
mod ports;
mod programs;
mod resend;
mod routes;
mod sizes;
mod slots;
mod socket;
mod stream;
mod tcp;
mod udp;
mod unread;
mod waiting;
mod wake;
