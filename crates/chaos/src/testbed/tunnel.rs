//! A tunnel device: what is sent to it is read from a file, as if it had left by a network
//! card, and what is written to the file arrives.

use std::ffi::CStr;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsRawFd as _;

/// include/uapi/linux/if_tun.h: `_IOW('T', 202, int)`.
const TUNSETIFF: libc::c_ulong = 0x4004_54ca;

/// A tunnel of IP packets without a header in front, in the network namespace of this thread.
/// The device goes with the file.
pub fn tunnel(name: &CStr) -> io::Result<File> {
    let device = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun")?;
    // SAFETY: all octets zero are a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last octet stays zero: a name that is too long is cut.
    let room = request.ifr_name.len() - 1;
    let octets = name.to_bytes().iter().take(room);
    for (to, from) in request.ifr_name.iter_mut().zip(octets) {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: the request is an ifreq on this stack, with a name that ends.
    let done = unsafe { libc::ioctl(device.as_raw_fd(), TUNSETIFF, &raw mut request) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(device)
}
