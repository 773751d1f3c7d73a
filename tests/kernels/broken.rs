//! A kerno with one broken program, to see that the harness sees it.
//!
//! The break is made in a copy of the binary, where the BPF object is embedded
//! as it is: the instruction that takes the program's argument becomes a read
//! above its stack, which every verifier rejects. So the product needs no switch
//! for it.

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

/// Begin of an ELF file of 64 bits, little-endian, version 1.
const ELF: &[u8] = b"\x7fELF\x02\x01\x01";
/// `e_machine` of a BPF object (linux/elf-em.h).
const EM_BPF: u16 = 247;
/// `sh_type` of a symbol table (elf.h).
const SHT_SYMTAB: u32 = 2;
const SYMBOL_SIZE: usize = 24;

const INSTRUCTION_SIZE: usize = 8;
/// `r0 = *(u64 *)(r10 + 8)`: opcode, registers, offset, immediate.
const READ_ABOVE_THE_STACK: [u8; INSTRUCTION_SIZE] = [0x79, 0xa0, 8, 0, 0, 0, 0, 0];
/// Opcodes of `rX = rY` and `rX = *(u64 *)(rY + offset)`. libbpf has nothing to
/// relocate in them where rY is the argument.
const TAKES: [u8; 2] = [0xbf, 0x79];
/// The register of the argument, as the source in an instruction's second octet.
const FROM_ARGUMENT: u8 = 0x10;
/// How far into the program it is looked for.
const BEGINNING: usize = 16;

/// What verifiers of every version say to such a read, in parts.
pub(crate) const VERDICT: &str = "invalid read from stack";

/// The binary with the program broken.
pub(crate) fn with_broken(program: &str, binary: &[u8]) -> Result<Vec<u8>> {
    let objects = binary
        .windows(ELF.len())
        .enumerate()
        .filter(|(_, octets)| *octets == ELF)
        .map(|(begin, _)| begin)
        .filter(|&begin| u16_at(binary, begin + 18).ok() == Some(EM_BPF));
    let at = objects
        .filter_map(|begin| Some(begin + first_instruction(program, &binary[begin..]).ok()?))
        .next()
        .with_context(|| format!("no BPF object in the binary has a program {program}"))?;
    let mut broken = binary.to_vec();
    let code = broken.get_mut(at..).context("the BPF object is cut off")?;
    let taker = code
        .chunks_exact_mut(INSTRUCTION_SIZE)
        .take(BEGINNING)
        .find(|octets| TAKES.contains(&octets[0]) && octets[1] & 0xf0 == FROM_ARGUMENT);
    let taker = taker.with_context(|| format!("{program} does not begin with its argument"))?;
    taker.copy_from_slice(&READ_ABOVE_THE_STACK);
    Ok(broken)
}

/// Where in the object it is: each program is a symbol in a section.
fn first_instruction(program: &str, object: &[u8]) -> Result<usize> {
    let sections = u64_at(object, 40)?;
    let section_size = usize::from(u16_at(object, 58)?);
    let section = |index: usize| sections + index * section_size;
    for index in 0..usize::from(u16_at(object, 60)?) {
        let symtab = section(index);
        if u32_at(object, symtab + 4)? != SHT_SYMTAB {
            continue;
        }
        let names = u64_at(object, section(u32_at(object, symtab + 40)? as usize) + 24)?;
        let first = u64_at(object, symtab + 24)?;
        let end = first + u64_at(object, symtab + 32)?;
        for symbol in (first..end).step_by(SYMBOL_SIZE) {
            let name = names + u32_at(object, symbol)? as usize;
            let name = object.get(name..).context("the BPF object is cut off")?;
            if name.starts_with(program.as_bytes()) && name.get(program.len()) == Some(&0) {
                let home = section(usize::from(u16_at(object, symbol + 6)?));
                return Ok(u64_at(object, home + 24)? + u64_at(object, symbol + 8)?);
            }
        }
    }
    bail!("the BPF object has no program {program}")
}

fn octets_at<const N: usize>(octets: &[u8], at: usize) -> Result<[u8; N]> {
    let found = octets.get(at..).and_then(|rest| rest.first_chunk::<N>());
    found.copied().context("the BPF object is cut off")
}

fn u16_at(octets: &[u8], at: usize) -> Result<u16> {
    octets_at(octets, at).map(u16::from_le_bytes)
}

fn u32_at(octets: &[u8], at: usize) -> Result<u32> {
    octets_at(octets, at).map(u32::from_le_bytes)
}

fn u64_at(octets: &[u8], at: usize) -> Result<usize> {
    Ok(usize::try_from(
        octets_at(octets, at).map(u64::from_le_bytes)?,
    )?)
}
