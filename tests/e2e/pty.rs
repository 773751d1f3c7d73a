//! A terminal of which the test holds the other end, so that it says when somebody reads it.

use std::fs::File;
use std::io::ErrorKind;
use std::io::Read as _;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::process::Command;
use std::process::Stdio;

use nix::fcntl::FcntlArg;
use nix::fcntl::OFlag;
use nix::fcntl::fcntl;
use nix::pty::Winsize;
use nix::pty::openpty;
use nix::sys::termios::LocalFlags;
use nix::sys::termios::tcgetattr;

use crate::process::Process;
use crate::process::poll;

/// Both ends.
#[derive(Debug)]
pub(crate) struct Pty {
    /// That of whoever looks; reading from it does not wait.
    screen: File,
    /// That of the program.
    side: File,
}

impl Pty {
    pub(crate) fn open() -> Self {
        let ends = openpty(None, None).expect("a terminal");
        let (screen, side): (File, File) = (ends.master.into(), ends.slave.into());
        for end in [&screen, &side] {
            // None of them is for programs but where it is handed over.
            let flags = FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC);
            fcntl(end, flags).expect("a descriptor");
        }
        fcntl(&screen, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("a descriptor");
        let pty = Self { screen, side };
        pty.resize(100, 30);
        pty
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        // SAFETY: the descriptor is open, and the call reads a winsize.
        let done =
            unsafe { libc::ioctl(self.screen.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    }

    /// Starts a program in it.
    pub(crate) fn start(&self, command: &mut Command) -> Process {
        let side = || Stdio::from(self.side.try_clone().expect("a descriptor"));
        Process::start(command.stdin(side()).stdout(side()).stderr(Stdio::null()))
    }

    /// Presses keys.
    pub(crate) fn press(&self, keys: &str) {
        (&self.screen)
            .write_all(keys.as_bytes())
            .expect("room for keys");
    }

    /// Reads until this was written. A screen writes only what has changed, so that words come
    /// one by one.
    pub(crate) fn shows(&self, word: &str) -> String {
        let mut text = Vec::new();
        poll(&format!("{word:?} on the terminal"), || {
            self.read(&mut text);
            let text = String::from_utf8_lossy(&text);
            text.contains(word).then(|| text.into_owned())
        })
    }

    /// Reads what there is.
    pub(crate) fn read(&self, text: &mut Vec<u8>) {
        let mut part = [0; 4096];
        loop {
            match (&self.screen).read(&mut part) {
                Ok(length) => text.extend(&part[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("the terminal: {error}"),
            }
        }
    }

    /// Writes until it takes no more, as somebody whom nobody reads.
    pub(crate) fn fill(&self) {
        // A description of its own: whoever has another one waits or not as before.
        let path = format!("/proc/self/fd/{}", self.side.as_raw_fd());
        let mut options = std::fs::OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::custom_flags(
            options.write(true),
            libc::O_NONBLOCK | libc::O_NOCTTY,
        );
        let mut side = options.open(path).expect("the terminal");
        loop {
            match side.write(b".") {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("the terminal: {error}"),
            }
        }
    }

    /// Whether what is typed is shown and comes line by line, as a shell has it.
    pub(crate) fn is_plain(&self) -> bool {
        let modes = tcgetattr(&self.side).expect("a terminal").local_flags;
        modes.contains(LocalFlags::ECHO | LocalFlags::ICANON)
    }
}
