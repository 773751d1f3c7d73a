//! One lookup: a socket, a question, and whether what comes back answers it.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::hash::Hasher;
use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use domain::base::Message;
use domain::base::MessageBuilder;
use domain::base::Name;
use domain::base::iana::Rtype;

/// The names asked for end in this: `.test` is for testing only (RFC 6761
/// section 6.2), so that a resolver keeps the question to itself.
pub const ZONE: &str = "flood.kerno.test";

/// A lookup in flight.
///
/// Each has a socket of its own, as with glibc, Go and every resolver library
/// that picks a random source port per query (RFC 5452 section 9.2). An answer
/// that comes too late meets a closed port, never another lookup.
#[derive(Debug)]
pub(super) struct Lookup {
    socket: UdpSocket,
    query: Vec<u8>,
    /// Right before the query was given to the kernel.
    pub(super) sent: Instant,
}

/// What a readable socket held.
#[derive(Debug)]
pub(super) enum Reply {
    /// Nothing after all.
    Nothing,
    /// A datagram that does not answer the question.
    Unexpected,
    /// The answer, with its response code (upper bits of EDNS included).
    Answer(u16),
    /// An error of the socket, which ends the lookup.
    Failed(io::Error),
}

impl Lookup {
    /// Asks the server for the address of the `number`th name of a run.
    pub(super) fn start(server: SocketAddr, run: u32, number: u64) -> io::Result<Self> {
        let query = build(run, number)?;
        let any: IpAddr = match server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0))?;
        socket.set_nonblocking(true)?;
        // Connected, for the kernel to report ICMP errors and to keep strangers'
        // datagrams out.
        socket.connect(server)?;
        let sent = Instant::now();
        socket.send(&query)?;
        Ok(Self {
            socket,
            query,
            sent,
        })
    }

    /// Takes one datagram or error from the socket, without waiting.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Reply {
        let len = match self.socket.recv(buffer) {
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Reply::Nothing,
            Err(error) => return Reply::Failed(error),
        };
        match (
            Message::from_slice(&buffer[..len]),
            Message::from_slice(&self.query),
        ) {
            (Ok(answer), Ok(query)) if answers(answer, query) => {
                Reply::Answer(answer.opt_rcode().to_int())
            }
            _ => Reply::Unexpected,
        }
    }
}

impl AsFd for Lookup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// 64 bits that nobody can guess: a hasher with fresh random keys.
pub(in crate::chaos) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A query for an A record, with a random id and a name never asked before.
fn build(run: u32, number: u64) -> io::Result<Vec<u8>> {
    // The names built here are valid and a Vec grows; neither error can come.
    let name = format!("q{number}-{run:08x}.{ZONE}");
    let name = Name::vec_from_str(&name).map_err(io::Error::other)?;
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id((random() & 0xffff) as u16);
    builder.header_mut().set_rd(true);
    let mut builder = builder.question();
    builder.push((&name, Rtype::A)).map_err(io::Error::other)?;
    Ok(builder.finish())
}

/// Whether the id and the question are ours. Some servers leave the question
/// out when they answer with an error (RFC 1035 section 4.1.1, format error).
pub(in crate::chaos) fn answers(answer: &Message<[u8]>, query: &Message<[u8]>) -> bool {
    let bare_error = answer.header().qr()
        && answer.header().id() == query.header().id()
        && answer.header_counts().qdcount() == 0
        && answer.is_error();
    bare_error || answer.is_answer(query)
}

#[cfg(test)]
mod tests {
    use domain::base::iana::Rcode;

    use super::*;

    fn reply_to(query: &[u8], change: impl Fn(&mut Vec<u8>)) -> bool {
        let query = Message::from_slice(query).unwrap();
        let answer = MessageBuilder::new_vec().start_answer(query, Rcode::SERVFAIL);
        let mut answer = answer.unwrap().finish();
        change(&mut answer);
        answers(Message::from_slice(&answer).unwrap(), query)
    }

    #[test]
    fn only_an_answer_to_this_question_counts() {
        let query = build(1, 2).unwrap();
        assert!(reply_to(&query, |_| ()));
        assert!(!reply_to(&query, |answer| answer[0] ^= 1), "another id");
        assert!(!reply_to(&query, |answer| answer[2] &= 0x7f), "a query");
        assert!(!reply_to(&query, |answer| answer[14] ^= 1), "another name");
        assert!(!reply_to(&query, |answer| answer.truncate(20)), "cut off");
        let bare = |rcode: u8| {
            move |answer: &mut Vec<u8>| {
                answer.truncate(12);
                answer[5] = 0;
                answer[3] = rcode;
            }
        };
        assert!(reply_to(&query, bare(1)), "FORMERR without the question");
        assert!(!reply_to(&query, bare(0)), "NOERROR without the question");
    }

    #[test]
    fn names_and_ids_differ() {
        let queries: Vec<_> = (0..64).map(|number| build(1, number).unwrap()).collect();
        let mut names: Vec<&[u8]> = queries.iter().map(|query| &query[12..]).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 64);
        assert!(queries.iter().any(|query| query[..2] != queries[0][..2]));
    }
}
