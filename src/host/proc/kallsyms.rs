//! `/proc/kallsyms`: which function of the kernel an address is in.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;

/// A kernel with all its modules has about 150,000 functions, at 30 bytes each.
const SYMBOLS_MAX: usize = 500_000;
/// The longest name that the kernel keeps (KSYM_NAME_LEN).
const NAME_MAX: usize = 512;
/// Further behind the last symbol below it, an address is in none that is known.
const FUNCTION_MAX: u64 = 1 << 20;

/// The functions of the running kernel. Empty if it hides their addresses.
#[derive(Debug, Default)]
pub(in crate::host) struct Symbols {
    /// Address, and where the name begins and ends in `names`; sorted.
    places: Vec<(u64, u32, u16)>,
    names: String,
}

impl Symbols {
    pub(in crate::host) fn read() -> Self {
        match std::fs::File::open("/proc/kallsyms") {
            Ok(file) => Self::parse(BufReader::with_capacity(1 << 16, file)),
            Err(error) => {
                log::info!("functions have no names: /proc/kallsyms: {error}");
                Self::default()
            }
        }
    }

    /// Lines of address, type and name; a module's also have its name. With
    /// kptr_restrict every address is zero (proc(5)).
    pub(super) fn parse(mut lines: impl BufRead) -> Self {
        let mut symbols = Self::default();
        let mut line = Vec::new();
        while symbols.places.len() < SYMBOLS_MAX {
            line.clear();
            // A line is bounded, however long the file says that it is.
            let longest = (NAME_MAX * 4) as u64;
            match lines.by_ref().take(longest).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
            let Some((address, name)) = std::str::from_utf8(&line).ok().and_then(function) else {
                continue;
            };
            let (Ok(start), Ok(len)) = (symbols.names.len().try_into(), name.len().try_into())
            else {
                break;
            };
            symbols.names.push_str(name);
            symbols.places.push((address, start, len));
        }
        symbols.places.sort_unstable();
        symbols.places.shrink_to_fit();
        symbols.names.shrink_to_fit();
        symbols
    }

    pub(in crate::host) fn function(&self, address: u64) -> Option<&str> {
        let behind = self.places.partition_point(|(start, ..)| *start <= address);
        let (start, name, len) = self.places.get(behind.checked_sub(1)?)?;
        let name = usize::try_from(*name).ok()?;
        (address - start < FUNCTION_MAX)
            .then(|| self.names.get(name..name + usize::from(*len)))
            .flatten()
    }
}

/// Address and name, if the line is about a function.
fn function(line: &str) -> Option<(u64, &str)> {
    let mut words = line.split_ascii_whitespace();
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    let is_text = matches!(words.next()?, "t" | "T" | "w" | "W");
    let name = words.next()?;
    (address != 0 && is_text && name.len() <= NAME_MAX).then_some((address, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &[u8] = b"ffffffff81000300 T nf_hook_slow\n\
        ffffffff81000100 t ip_error\n\
        ffffffff81000200 d a_variable\n\
        junk\n\
        \xff\xfe\n\
        ffffffffc0000000 t nft_do_chain\t[nf_tables]\n\
        ffffffff81000400 T no_end";

    #[test]
    fn an_address_is_in_the_last_function_below_it() {
        let symbols = Symbols::parse(LINES);
        let cases = [
            (0xffff_ffff_8100_00ff, None),
            (0xffff_ffff_8100_0100, Some("ip_error")),
            (0xffff_ffff_8100_02ff, Some("ip_error")),
            (0xffff_ffff_8100_0300, Some("nf_hook_slow")),
            (0xffff_ffff_8100_0401, Some("no_end")),
            (0xffff_ffff_8110_0400, None),
            (0xffff_ffff_c000_0042, Some("nft_do_chain")),
            (u64::MAX, None),
            (0, None),
        ];
        for (address, name) in cases {
            assert_eq!(symbols.function(address), name, "{address:x}");
        }
    }

    #[test]
    fn hidden_addresses_are_no_functions() {
        let symbols = Symbols::parse(&b"0000000000000000 T nf_hook_slow\n"[..]);
        assert_eq!(symbols.function(0), None);
        assert_eq!(symbols.function(1), None);
    }

    #[test]
    fn root_the_running_kernel_tells_its_functions() {
        let symbols = Symbols::read();
        let (address, ..) = symbols.places[symbols.places.len() / 2];
        assert!(symbols.function(address).is_some());
        let of_ip = |(_, start, len): &(u64, u32, u16)| {
            let start = *start as usize;
            &symbols.names[start..start + usize::from(*len)] == "kfree_skb_list_reason"
        };
        assert!(symbols.places.iter().any(of_ip));
    }
}
