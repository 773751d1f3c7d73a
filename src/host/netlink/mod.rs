//! Asking the kernel over a netlink socket of netfilter, and its answers.
//!
//! Crates for netlink bring all of it, and threads or async besides; two
//! questions with a dozen attributes need these few lines.

pub mod conntrack;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;

use std::io;
use std::os::fd::AsRawFd as _;
use std::os::fd::OwnedFd;
use std::time::Duration;
use std::time::Instant;

use nix::sys::socket::AddressFamily;
use nix::sys::socket::MsgFlags;
use nix::sys::socket::SockFlag;
use nix::sys::socket::SockProtocol;
use nix::sys::socket::SockType;
use nix::sys::socket::recv;
use nix::sys::socket::send;
use nix::sys::socket::setsockopt;
use nix::sys::socket::socket;
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::time::TimeVal;

/// `struct nlmsghdr`: length, type, flags, sequence number, port.
const HEADER: usize = 16;
/// `struct nfgenmsg`: family, version, resource.
const GENERIC: usize = 4;
/// `struct nlattr`: length, type.
const ATTRIBUTE: usize = 4;
/// The upper bits of a type say how it is encoded.
const ATTRIBUTE_TYPE: u16 = 0x3fff;
/// The kernel fills messages of a dump up to 32 KiB.
const BUFFER: usize = 64 << 10;

/// A table that changes all the time is asked for so often in all.
const TRIES: usize = 3;

/// include/uapi/linux/netfilter/nfnetlink.h
const NFNL_SUBSYS_CTNETLINK: u16 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// These are all.
    Complete,
    /// Something changed meanwhile: some may be missing, or be there twice
    /// (`NLM_F_DUMP_INTR`).
    Interrupted,
    /// The time was over before the last.
    Late,
}

#[derive(Clone, Copy, Debug)]
struct Message<'a> {
    kind: u16,
    /// The answers that this one is of are not all of one moment.
    interrupted: bool,
    payload: &'a [u8],
}

/// Asks for all there are and puts together what comes, with whether it is
/// complete. What was interrupted is asked for again, from the beginning.
fn dump<T>(
    deadline: Instant,
    empty: impl Fn() -> T,
    mut ask: impl FnMut(&mut T) -> io::Result<End>,
) -> io::Result<(T, bool)> {
    let mut tries = 1;
    loop {
        let mut gathered = empty();
        let end = ask(&mut gathered)?;
        if end != End::Interrupted || tries == TRIES || Instant::now() > deadline {
            return Ok((gathered, end == End::Complete));
        }
        tries += 1;
    }
}

/// Asks connection tracking of the namespace that the calling thread is in, and
/// hands on the family (`AF_INET`, `AF_INET6` or `AF_UNSPEC`) and the attributes of what
/// comes. `how` is `NLM_F_ACK` for one answer, `NLM_F_DUMP` for all there are.
fn ask_conntrack(
    question: u8,
    how: i32,
    deadline: Instant,
    take: impl FnMut(u8, Attributes<'_>),
) -> io::Result<End> {
    let socket = open()?;
    let request = request(question, how);
    send(socket.as_raw_fd(), &request, MsgFlags::empty())?;
    let receive = |buffer: &mut [u8]| Ok(recv(socket.as_raw_fd(), buffer, MsgFlags::empty())?);
    answers(receive, deadline, take)
}

fn answers(
    mut receive: impl FnMut(&mut [u8]) -> io::Result<usize>,
    deadline: Instant,
    mut take: impl FnMut(u8, Attributes<'_>),
) -> io::Result<End> {
    let mut buffer = vec![0; BUFFER];
    let mut end = End::Complete;
    loop {
        let len = receive(&mut buffer)?;
        for message in Messages(buffer.get(..len).unwrap_or_default()) {
            if message.interrupted {
                end = End::Interrupted;
            }
            match i32::from(message.kind) {
                libc::NLMSG_DONE => return Ok(end),
                libc::NLMSG_ERROR => return acknowledged(message.payload).map(|()| end),
                _ => {
                    if let Some((generic, attributes)) = message.payload.split_at_checked(GENERIC) {
                        take(generic[0], Attributes(attributes));
                    }
                }
            }
        }
        if Instant::now() > deadline {
            return Ok(End::Late);
        }
    }
}

fn open() -> io::Result<OwnedFd> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkNetFilter,
    )?;
    // The kernel answers at once; this is for the day when it does not.
    let patience = TimeVal::new(1, 0);
    setsockopt(&socket, ReceiveTimeout, &patience)?;
    Ok(socket)
}

fn request(question: u8, how: i32) -> [u8; HEADER + GENERIC] {
    const LENGTH: usize = HEADER + GENERIC;
    let kind = NFNL_SUBSYS_CTNETLINK << 8 | u16::from(question);
    let flags = libc::NLM_F_REQUEST | how;
    let mut request = [0; LENGTH];
    request[..4].copy_from_slice(&(LENGTH as u32).to_ne_bytes());
    request[4..6].copy_from_slice(&kind.to_ne_bytes());
    request[6..8].copy_from_slice(&(flags as u16).to_ne_bytes());
    request
}

/// An error of 0 is an acknowledgement.
fn acknowledged(payload: &[u8]) -> io::Result<()> {
    let errno = payload.first_chunk().map(|it| i32::from_ne_bytes(*it));
    match errno {
        Some(0) => Ok(()),
        Some(errno) => Err(io::Error::from_raw_os_error(errno.saturating_neg())),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let length = u32::from_ne_bytes(*self.0.first_chunk()?);
        let length = usize::try_from(length).ok()?;
        let message = self.0.get(..length)?;
        let half = |at: usize| Some(u16::from_ne_bytes(*message.get(at..)?.first_chunk()?));
        self.0 = self.0.get(aligned(length)..).unwrap_or_default();
        Some(Message {
            kind: half(4)?,
            interrupted: i32::from(half(6)?) & libc::NLM_F_DUMP_INTR != 0,
            payload: message.get(HEADER..)?,
        })
    }
}

#[derive(Clone, Copy, Debug)]
struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    fn get(self, wanted: u16) -> Option<&'a [u8]> {
        self.into_iter()
            .find(|(kind, _)| *kind == wanted)
            .map(|(_, value)| value)
    }

    /// An attribute that has attributes.
    fn nested(self, wanted: u16) -> Option<Self> {
        self.get(wanted).map(Self)
    }

    /// A number in network order, as netfilter has them all.
    fn number(self, wanted: u16) -> Option<u32> {
        Some(u32::from_be_bytes(self.get(wanted)?.try_into().ok()?))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16::from_ne_bytes(*self.0.first_chunk()?));
        let attribute = self.0.get(..length)?;
        let kind = u16::from_ne_bytes(*attribute.get(2..)?.first_chunk()?);
        let value = attribute.get(ATTRIBUTE..)?;
        self.0 = self.0.get(aligned(length)..).unwrap_or_default();
        Some((kind & ATTRIBUTE_TYPE, value))
    }
}

/// Messages and attributes begin at multiples of four.
fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// How long a small dump may take.
fn soon() -> Instant {
    Instant::now() + Duration::from_secs(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn attributes_are_found_behind_padding() {
        let mut octets = Vec::new();
        for (kind, value) in [(1_u16, &[7_u8][..]), (0x8002, &[0, 0, 1, 0])] {
            octets.extend((ATTRIBUTE as u16 + value.len() as u16).to_ne_bytes());
            octets.extend(kind.to_ne_bytes());
            octets.extend(value);
            octets.resize(aligned(octets.len()), 0);
        }
        let attributes = Attributes(&octets);
        assert_eq!(attributes.get(1), Some(&[7][..]));
        assert_eq!(attributes.number(2), Some(256));
        assert_eq!(attributes.number(1), None);
        assert_eq!(attributes.get(3), None);
    }

    fn message(kind: i32, flags: i32, payload: &[u8]) -> Vec<u8> {
        let mut octets = ((HEADER + payload.len()) as u32).to_ne_bytes().to_vec();
        octets.extend((kind as u16).to_ne_bytes());
        octets.extend((flags as u16).to_ne_bytes());
        octets.extend([0; 8]);
        octets.extend(payload);
        octets
    }

    /// What becomes of a dump whose tries are answered so, and how often it is
    /// asked for.
    fn dumped(tries: &[&[Vec<u8>]]) -> (io::Result<(usize, bool)>, usize) {
        let mut asked = 0;
        let gathered = dump(soon(), usize::default, |count| {
            let mut buffers = tries[asked].iter();
            asked += 1;
            let receive = |buffer: &mut [u8]| {
                let octets = buffers.next().expect("no more to come");
                buffer[..octets.len()].copy_from_slice(octets);
                Ok(octets.len())
            };
            answers(receive, soon(), |_, _| *count += 1)
        });
        (gathered, asked)
    }

    #[test]
    fn what_was_interrupted_is_asked_for_again_and_not_for_ever() {
        let entry = |flags| message(256, flags, &[2, 0, 0, 0]);
        let done = |flags| message(libc::NLMSG_DONE, flags, &[0; 4]);
        let whole: &[_] = &[entry(0), [entry(0), done(0)].concat()];
        let cut: &[_] = &[entry(0), entry(libc::NLM_F_DUMP_INTR), done(0)];
        // The kernel may find it out at the very end.
        let cut_last: &[_] = &[entry(0), done(libc::NLM_F_DUMP_INTR)];
        let (gathered, asked) = dumped(&[whole]);
        assert_eq!((gathered.unwrap(), asked), ((2, true), 1));
        let (gathered, asked) = dumped(&[cut, cut_last, whole]);
        assert_eq!((gathered.unwrap(), asked), ((2, true), 3));
        let (gathered, asked) = dumped(&[cut, cut, cut_last]);
        assert_eq!((gathered.unwrap(), asked), ((1, false), TRIES));
    }

    #[test]
    fn a_refusal_is_an_error_and_time_that_is_over_an_end() {
        let refused = message(libc::NLMSG_ERROR, 0, &(-libc::EPERM).to_ne_bytes());
        let (gathered, asked) = dumped(&[&[refused]]);
        assert_eq!(gathered.unwrap_err().raw_os_error(), Some(libc::EPERM));
        assert_eq!(asked, 1);
        let entry = message(256, 0, &[2, 0, 0, 0]);
        let receive = |buffer: &mut [u8]| {
            buffer[..entry.len()].copy_from_slice(&entry);
            Ok(entry.len())
        };
        let past = Instant::now() - Duration::from_secs(1);
        assert_eq!(answers(receive, past, |_, _| ()).unwrap(), End::Late);
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic_or_loop(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            for message in Messages(&octets) {
                let _ = Attributes(message.payload).count();
            }
            let _ = Attributes(&octets).nested(1).and_then(|it| it.number(2));
            let _ = acknowledged(&octets);
        }

        #[test]
        fn small_lengths_do_not_loop(length in 0_u16..8, kind in any::<u16>()) {
            let mut octets = length.to_ne_bytes().to_vec();
            octets.extend(kind.to_ne_bytes());
            octets.extend([0; 8]);
            prop_assert!(Attributes(&octets).count() <= 3);
            prop_assert!(Messages(&octets).count() <= 3);
        }
    }
}
