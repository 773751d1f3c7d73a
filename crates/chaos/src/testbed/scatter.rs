//! How an interface sends: with scatter-gather or without.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

/// include/uapi/linux/ethtool.h: `ETHTOOL_SSG`.
const ETHTOOL_SSG: u32 = 0x19;

/// `struct ethtool_value` there.
#[repr(C)]
struct EthtoolValue {
    cmd: u32,
    data: u32,
}

/// Turns scatter-gather off on an interface of this thread's network namespace, and with it all
/// sending of several segments as one (`ethtool -K DEVICE sg off`).
pub fn off(device: &str) -> io::Result<()> {
    let socket = UdpSocket::bind(("127.0.0.1", 0))?;
    let mut value = EthtoolValue {
        cmd: ETHTOOL_SSG,
        data: 0,
    };
    // SAFETY: all octets zero are a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if device.len() >= request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(device.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    // SAFETY: the request is an ifreq on this stack with a name that ends, and points to the
    // value, which outlives the call.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request) };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
