//! Calls that a running program is made to do, by ptrace(2), so that the kernel itself says what
//! it would let that program do.
//!
//! On x86-64 alone: on others a thread that is stopped in a call stands elsewhere.

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::WaitPidFlag;
use nix::sys::wait::WaitStatus;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use crate::process::poll;

/// `syscall` as the processor has it, and its length.
const SYSCALL: (i64, u64) = (0x050f, 2);
/// Below what the thread may use beneath its stack pointer (the psABI's red zone has 128 octets).
const BELOW: u64 = 4_096;

/// An argument of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Argument<'a> {
    Number(i64),
    /// Its address.
    Text(&'a str),
}

/// A thread that waits in a call, and is held there. It goes on when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    thread: Pid,
    before: libc::user_regs_struct,
}

impl Held {
    /// Holds the thread as soon as it waits.
    pub(crate) fn hold(thread: u32) -> Self {
        let thread = Pid::from_raw(thread.cast_signed());
        ptrace::seize(thread, ptrace::Options::empty()).expect("to trace a thread");
        let before = poll("the thread to wait in a call", || {
            ptrace::interrupt(thread).expect("to stop it");
            let stopped = waitpid(thread, Some(WaitPidFlag::__WALL)).expect("its stop");
            assert!(
                matches!(stopped, WaitStatus::PtraceEvent(..)),
                "{stopped:?}"
            );
            let registers = ptrace::getregs(thread).expect("its registers");
            let before = registers.rip - SYSCALL.1;
            let code = ptrace::read(thread, before as ptrace::AddressType);
            let waits = code.is_ok_and(|code| code & 0xffff == SYSCALL.0);
            if !waits {
                ptrace::cont(thread, None).expect("to let it go on");
            }
            waits.then_some(registers)
        });
        Self { thread, before }
    }

    /// Has it do a call, and tells what that returned.
    pub(crate) fn call(&self, number: i64, arguments: &[Argument<'_>]) -> Result<i64, Errno> {
        let mut place = self.before.rsp - BELOW;
        let mut values = [0; 6];
        for (value, argument) in values.iter_mut().zip(arguments) {
            *value = match argument {
                Argument::Number(number) => number.cast_unsigned(),
                Argument::Text(text) => {
                    let begin = place;
                    place += self.write(place, text);
                    begin
                }
            };
        }
        let [rdi, rsi, rdx, r10, r8, r9] = values;
        let registers = libc::user_regs_struct {
            rip: self.before.rip - SYSCALL.1,
            rax: number.cast_unsigned(),
            // It comes from no call that could be begun anew.
            orig_rax: u64::MAX,
            rdi,
            rsi,
            rdx,
            r10,
            r8,
            r9,
            ..self.before
        };
        ptrace::setregs(self.thread, registers).expect("to set its registers");
        ptrace::step(self.thread, None).expect("to have it do the call");
        let stopped = waitpid(self.thread, Some(WaitPidFlag::__WALL)).expect("its stop");
        assert_eq!(stopped, WaitStatus::Stopped(self.thread, Signal::SIGTRAP));
        let returned = ptrace::getregs(self.thread).expect("its registers").rax;
        let returned = returned.cast_signed();
        match returned {
            // Errors of the kernel, include/linux/err.h.
            -4095..0 => Err(Errno::from_raw(-returned as i32)),
            _ => Ok(returned),
        }
    }

    /// A text with its end; how long it is there.
    fn write(&self, at: u64, text: &str) -> u64 {
        let mut octets = text.as_bytes().to_vec();
        octets.push(0);
        octets.resize(octets.len().next_multiple_of(8), 0);
        for (place, word) in (at..).step_by(8).zip(octets.chunks_exact(8)) {
            let word = i64::from_ne_bytes(word.try_into().expect("eight octets"));
            ptrace::write(self.thread, place as ptrace::AddressType, word).expect("room");
        }
        octets.len() as u64
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // It may be gone.
        let _set = ptrace::setregs(self.thread, self.before);
        let _detached = ptrace::detach(self.thread, None);
    }
}
