//! A DNS client: queries as a library makes them, the sockets that they leave by,
//! and what answers them.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::hash::Hasher as _;
use std::io;
use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use domain::base::Message;
use domain::base::MessageBuilder;
use domain::base::Name;
use domain::base::iana::Rtype;
use nix::errno::Errno;

/// A query for one name with recursion desired and a random id. `udp_payload` is
/// the size in its OPT record (RFC 6891); `None` leaves that out.
///
/// # Errors
///
/// A name that is none; nothing else can fail.
pub fn query(name: &str, rtype: Rtype, udp_payload: Option<u16>) -> io::Result<Vec<u8>> {
    let name = Name::vec_from_str(name).map_err(io::Error::other)?;
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id((random() & 0xffff) as u16);
    builder.header_mut().set_rd(true);
    let mut builder = builder.question();
    builder.push((&name, rtype)).map_err(io::Error::other)?;
    let mut builder = builder.additional();
    if let Some(size) = udp_payload {
        let opt = builder.opt(|opt| {
            opt.set_udp_payload_size(size);
            Ok(())
        });
        opt.map_err(io::Error::other)?;
    }
    Ok(builder.finish())
}

/// 64 bits that nobody can guess: a hasher with fresh random keys.
pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// An answer as its client understands it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Response code, with the upper bits of EDNS.
    pub rcode: u16,
    /// Whether it has the TC bit.
    pub truncated: bool,
}

impl Answer {
    /// What came, if it answers the query: id and question are the same. Some servers
    /// leave the question out when they answer with an error (RFC 1035 section 4.1.1,
    /// format error).
    pub fn to(query: &[u8], came: &[u8]) -> Option<Self> {
        let query = Message::from_slice(query).ok()?;
        let answer = Message::from_slice(came).ok()?;
        let is_bare_error = answer.header().qr()
            && answer.header().id() == query.header().id()
            && answer.header_counts().qdcount() == 0
            && answer.is_error();
        (is_bare_error || answer.is_answer(query)).then(|| Self {
            rcode: answer.opt_rcode().to_int(),
            truncated: answer.header().tc(),
        })
    }

    /// NOERROR and NXDOMAIN: with anything else a stub asks the next server.
    pub fn is_fine(self) -> bool {
        matches!(self.rcode, 0 | 3)
    }
}

/// `ECONNREFUSED`; an error that is not the kernel's by its kind.
pub fn errno_name(error: &io::Error) -> String {
    match error
        .raw_os_error()
        .map(|errno| (errno, Errno::from_raw(errno)))
    {
        Some((errno, Errno::UnknownErrno)) => format!("errno {errno}"),
        Some((_, known)) => format!("{known:?}"),
        None => format!("{:?}", error.kind()),
    }
}

/// Whether it only says that nothing came in time.
pub fn is_timeout(error: &io::Error) -> bool {
    use io::ErrorKind::TimedOut;
    use io::ErrorKind::WouldBlock;
    matches!(error.kind(), WouldBlock | TimedOut)
}

/// Any address of a server's family, to bind a socket to.
pub fn any(server: IpAddr) -> IpAddr {
    match server {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// A UDP socket with a free port, for servers of this one's family.
pub fn socket(server: IpAddr) -> io::Result<UdpSocket> {
    UdpSocket::bind((any(server), 0))
}

/// A UDP socket with a free port, connected to a server: it hears of ICMP errors,
/// and of nobody else.
pub fn connected(server: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket(server.ip())?;
    socket.connect(server)?;
    Ok(socket)
}

/// A TCP connection to a server, which waits so long for it and for each message.
pub fn dial(server: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server, patience)?;
    stream.set_read_timeout(Some(patience))?;
    Ok(stream)
}

/// When the datagram that was read last had come to this socket, by the kernel's
/// clock: who waits for a CPU reads it later. `None` before this was first asked for,
/// which makes the kernel keep such times from then on (`SIOCGSTAMPNS`, socket(7)).
pub fn arrived(socket: &UdpSocket) -> Option<SystemTime> {
    // linux/sockios.h; libc has no name for it.
    const SIOCGSTAMPNS: libc::c_ulong = 0x8907;
    let mut stamp = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the kernel writes one `timespec`, which outlives the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCGSTAMPNS as _, &raw mut stamp) };
    let since = Duration::new(
        u64::try_from(stamp.tv_sec).ok()?,
        u32::try_from(stamp.tv_nsec).ok()?,
    );
    (result == 0).then(|| UNIX_EPOCH + since)
}

/// Writes a message as TCP carries it, with its length in front (RFC 1035 section
/// 4.2.2), at once.
pub fn write_message(to: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let len = u16::try_from(message.len()).map_err(io::Error::other)?;
    to.write_all(&[&len.to_be_bytes()[..], message].concat())
}

/// Reads one message of a TCP connection.
pub fn read_message(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut len = [0; 2];
    from.read_exact(&mut len)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(len))];
    from.read_exact(&mut message)?;
    Ok(message)
}

#[cfg(test)]
mod tests {
    use domain::base::iana::Rcode;

    use super::*;

    fn reply_to(query: &[u8], change: impl Fn(&mut Vec<u8>)) -> bool {
        let message = Message::from_slice(query).unwrap();
        let answer = MessageBuilder::new_vec().start_answer(message, Rcode::SERVFAIL);
        let mut answer = answer.unwrap().finish();
        change(&mut answer);
        Answer::to(query, &answer).is_some()
    }

    #[test]
    fn only_an_answer_to_this_question_counts() {
        let query = query("q2-00000001.kerno.test", Rtype::A, None).unwrap();
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
    fn a_message_comes_out_of_a_stream_as_it_went_in() {
        let mut stream = Vec::new();
        write_message(&mut stream, b"a message").unwrap();
        write_message(&mut stream, b"").unwrap();
        let mut stream = &stream[..];
        assert_eq!(read_message(&mut stream).unwrap(), b"a message");
        assert_eq!(read_message(&mut stream).unwrap(), b"");
        assert!(read_message(&mut stream).is_err());
    }
}
