//! The machines whose kernels are booted, all of them in software.

/// What qemu plays, and how a kernel talks there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Machine {
    /// x86-64, the harness's own.
    #[default]
    Amd64,
    Arm64,
}

impl Machine {
    /// Debian's name of it; what `fetch-kernels` takes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// The program, and Debian's package with it.
    pub(crate) fn qemu(self) -> (&'static str, &'static str) {
        match self {
            Self::Amd64 => ("qemu-system-x86_64", "qemu-system-x86"),
            Self::Arm64 => ("qemu-system-aarch64", "qemu-system-arm"),
        }
    }

    /// Which board and processor. `max` of arm64 computes each pointer's authentication,
    /// which takes three times as long to boot.
    pub(crate) fn options(self) -> &'static [&'static str] {
        match self {
            Self::Amd64 => &["-cpu", "max"],
            Self::Arm64 => &["-machine", "virt", "-cpu", "cortex-a57"],
        }
    }

    /// The kernel's first serial port.
    pub(crate) fn console(self) -> &'static str {
        match self {
            Self::Amd64 => "ttyS0",
            Self::Arm64 => "ttyAMA0",
        }
    }

    /// Where a guest writes what came of its job. The board for arm64 has one serial port:
    /// there it follows what was said on the console.
    pub(crate) fn result(self) -> &'static str {
        match self {
            Self::Amd64 => "ttyS1",
            Self::Arm64 => self.console(),
        }
    }

    /// Where an image says that it is one, with what, and what it is called: by the kernel's
    /// Documentation/arch/x86/boot.rst and arm64/booting.rst.
    pub(crate) fn header(self) -> (usize, &'static [u8], &'static str) {
        match self {
            Self::Amd64 => (
                0x202,
                b"HdrS",
                "an x86-64 kernel image: give a bzImage, as distributions have it in \
                 /boot/vmlinuz-VERSION (not the ELF file vmlinux)",
            ),
            Self::Arm64 => (
                0x38,
                b"ARM\x64",
                "a kernel image for arm64, as Debian has it in /boot/vmlinuz-VERSION",
            ),
        }
    }
}
