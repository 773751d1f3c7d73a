//! Each input of the corpus, and of each target all that belongs to it.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::path::PathBuf;

use super::*;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz")
        .join(name)
}

/// The files there, by name without an ending.
fn files(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    let named = |path: PathBuf| {
        let stem = path.file_stem().expect("a name").to_string_lossy();
        (stem.into_owned(), path)
    };
    let mut files: Vec<_> = entries
        .map(|it| named(it.expect("an entry").path()))
        .collect();
    files.sort();
    files
}

#[test]
fn every_input_of_the_corpus_is_taken() {
    for (name, target) in TARGETS {
        let seeds = files(&folder("corpus").join(name));
        assert!(!seeds.is_empty(), "{name} has no seed");
        for (_, path) in seeds {
            let octets = fs::read(&path).expect("a file");
            let run = catch_unwind(|| target(&octets));
            assert!(run.is_ok(), "{} is a finding", path.display());
        }
    }
}

#[test]
fn each_target_has_all_that_belongs_to_it() {
    let names: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    for parts in ["src/bin", "corpus", "dictionaries"] {
        let there: BTreeSet<_> = files(&folder(parts)).into_iter().map(|it| it.0).collect();
        assert_eq!(there, names, "fuzz/{parts}");
    }
}

/// Seeds whose layout is that of structs: others would be none when a struct changes.
fn laid_out() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let records = kernel::fuzzed::seeds::all().into_iter();
    let records = records.map(|(name, octets)| ("record", name, octets));
    let rows = [
        ("minute", 1_800_000_000_000_i64, 1_800_000_060_000),
        ("behind-year-9999", 253_402_300_800_000, i64::MAX),
        ("before-1970", -1, i64::MIN),
        ("beyond-counting", 1_800_000_000_000, 1_800_000_060_000),
    ];
    let rows = rows.map(|(name, from_ms, to_ms)| {
        let mut octets = vec![0];
        for number in [7, 1, 6, from_ms, to_ms, 206] {
            octets.extend(number.to_be_bytes());
        }
        octets.extend(b"\"critical\"\n[\"dns_dead_server\"]\n[\"pod shop/web-1\"]\n");
        octets.extend(match name {
            "beyond-counting" => window::fuzzed::seed_beyond_counting(),
            _ => window::fuzzed::seed(),
        });
        ("window_row", name, octets)
    });
    records.chain(rows).collect()
}

#[test]
fn seeds_are_laid_out_as_structs_are_now() {
    for (target, name, octets) in laid_out() {
        let path = folder("corpus").join(target).join(name);
        assert!(
            fs::read(&path).is_ok_and(|it| it == octets),
            "{} is of another layout: cargo test --lib -- --ignored writes_seeds",
            path.display()
        );
    }
}

#[test]
#[ignore = "writes into fuzz/corpus"]
fn writes_seeds() {
    for (target, name, octets) in laid_out() {
        let folder = folder("corpus").join(target);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join(name), octets).expect("a seed");
    }
}
