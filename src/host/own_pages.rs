//! Memory of kerno itself that it needed for its start, or for a moment.

use std::ffi::c_int;
use std::ffi::c_void;
use std::ptr;

use nix::unistd::SysconfVar;
use nix::unistd::sysconf;

/// Lets go of the pages of the program's code and constants: what is used further is mapped
/// again, out of the page cache; what only the start needed (loading programs, reading
/// types of the kernel) is not. Nothing is lost, as nobody writes there. Returns the octets
/// that these are.
pub fn give_back_pages() -> usize {
    let mut octets = 0_usize;
    // SAFETY: it calls `first` with what the dynamic linker knows of each object that is
    // loaded and with this number, and keeps neither.
    unsafe { libc::dl_iterate_phdr(Some(first), ptr::from_mut(&mut octets).cast()) };
    octets
}

/// Lets go of what is free of the heap: glibc keeps it, wherever it lies, for who asks next
/// (malloc_trim(3)).
pub fn give_back_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it touches only what nobody has.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// The first object is the program itself (dl_iterate_phdr(3)); 1 ends the walk.
unsafe extern "C" fn first(
    object: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    octets: *mut c_void,
) -> c_int {
    // SAFETY: the linker hands over an object with its program headers, and what
    // `give_back_pages` gave it.
    let (base, headers, octets) = unsafe {
        let object = &*object;
        let number = usize::from(object.dlpi_phnum);
        let headers = std::slice::from_raw_parts(object.dlpi_phdr, number);
        (object.dlpi_addr, headers, &mut *octets.cast::<usize>())
    };
    let Ok(Some(page)) = sysconf(SysconfVar::PAGE_SIZE) else {
        return 1;
    };
    // What the linker has written to is in a segment that may be written.
    let is_read_only =
        |it: &&libc::Elf64_Phdr| it.p_type == libc::PT_LOAD && it.p_flags & libc::PF_W == 0;
    for it in headers.iter().filter(is_read_only) {
        let begin = base + it.p_vaddr;
        let end = begin + it.p_memsz;
        let begin = begin & !(page as u64 - 1);
        let size = (end - begin) as usize;
        // SAFETY: a file's pages that nobody writes to: they are read again when needed. If
        // the kernel refuses, nothing has changed.
        let refused = unsafe { libc::madvise(begin as *mut c_void, size, libc::MADV_DONTNEED) };
        if refused == 0 {
            *octets += size;
        }
    }
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_let_go_and_runs_on() {
        assert!(give_back_pages() > 1024 * 1024);
        // It comes back, for as often as one likes.
        assert!(give_back_pages() > 1024 * 1024);
    }
}
