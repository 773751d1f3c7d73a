//! Asking the kernel over a netlink socket of netfilter.
//!
//! Crates for netlink bring all of it, and threads or async besides; two
//! questions with a dozen attributes need these few lines.

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

/// include/uapi/linux/netfilter/nfnetlink.h
const NFNL_SUBSYS_CTNETLINK: u16 = 1;

/// How to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// For one answer.
    Once,
    /// For all there are.
    All,
}

/// One answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    /// `AF_INET`, `AF_INET6` or `AF_UNSPEC`.
    pub(super) family: u8,
    pub(super) attributes: Attributes<'a>,
}

/// Asks connection tracking of the namespace that the calling thread is in, and
/// hands on what comes. False if `deadline` came before the end.
pub(super) fn ask_conntrack(
    question: u8,
    ask: Ask,
    deadline: Instant,
    mut take: impl FnMut(Message<'_>),
) -> io::Result<bool> {
    let socket = open()?;
    send(
        socket.as_raw_fd(),
        &request(question, ask),
        MsgFlags::empty(),
    )?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let len = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        for (kind, payload) in Messages(buffer.get(..len).unwrap_or_default()) {
            match i32::from(kind) {
                libc::NLMSG_DONE => return Ok(true),
                libc::NLMSG_ERROR => return acknowledged(payload).map(|()| true),
                _ => {
                    if let Some(message) = Message::parse(payload) {
                        take(message);
                    }
                }
            }
        }
        if Instant::now() > deadline {
            return Ok(false);
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

fn request(question: u8, ask: Ask) -> [u8; HEADER + GENERIC] {
    let kind = NFNL_SUBSYS_CTNETLINK << 8 | u16::from(question);
    let flags = libc::NLM_F_REQUEST
        | match ask {
            Ask::Once => libc::NLM_F_ACK,
            Ask::All => libc::NLM_F_DUMP,
        };
    const LENGTH: usize = HEADER + GENERIC;
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

/// The messages in a buffer: type and what follows the header.
struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = u32::from_ne_bytes(*self.0.first_chunk()?);
        let length = usize::try_from(length).ok()?;
        let message = self.0.get(..length)?;
        let kind = u16::from_ne_bytes(*message.get(4..)?.first_chunk()?);
        let payload = message.get(HEADER..)?;
        self.0 = self.0.get(aligned(length)..).unwrap_or_default();
        Some((kind, payload))
    }
}

impl<'a> Message<'a> {
    fn parse(payload: &'a [u8]) -> Option<Self> {
        Some(Self {
            family: *payload.first()?,
            attributes: Attributes(payload.get(GENERIC..)?),
        })
    }
}

/// Attributes one behind the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes<'a>(pub(super) &'a [u8]);

impl<'a> Attributes<'a> {
    /// The value of an attribute.
    pub(super) fn get(self, wanted: u16) -> Option<&'a [u8]> {
        self.into_iter()
            .find(|(kind, _)| *kind == wanted)
            .map(|(_, value)| value)
    }

    /// An attribute that has attributes.
    pub(super) fn nested(self, wanted: u16) -> Option<Self> {
        self.get(wanted).map(Self)
    }

    /// A number in network order, as netfilter has them all.
    pub(super) fn number(self, wanted: u16) -> Option<u32> {
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
pub(super) fn soon() -> Instant {
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

    proptest! {
        #[test]
        fn no_octets_make_it_panic_or_loop(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            for (_, payload) in Messages(&octets) {
                if let Some(message) = Message::parse(payload) {
                    let _ = message.attributes.count();
                }
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
