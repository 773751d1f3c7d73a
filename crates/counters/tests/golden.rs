//! The C of each program as it was reviewed, in `golden/`. After a change of a definition
//! `GOLDEN=write cargo test -p kerno-counters --test golden` writes it anew, to be
//! reviewed again.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

#[test]
fn the_c_of_each_program_is_the_one_that_was_reviewed() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden");
    let writes = std::env::var_os("GOLDEN").is_some_and(|it| it == "write");
    let mut differ = Vec::new();
    for definition in kerno_counters::ALL {
        let c = (definition.module)()
            .generate()
            .expect("it can be generated");
        let path = folder.join(format!("{}.bpf.c", definition.name));
        if writes {
            fs::create_dir_all(&folder).expect("a folder");
            fs::write(&path, &c).expect("a file in it");
        }
        if fs::read_to_string(&path).ok().as_ref() != Some(&c) {
            differ.push(definition.name);
        }
    }
    assert_eq!(differ, [""; 0], "their C is not what golden/ has");
    let mut known: Vec<String> = kerno_counters::ALL
        .iter()
        .map(|it| format!("{}.bpf.c", it.name))
        .collect();
    known.sort();
    assert_eq!(names_in(&folder), known, "nothing else lies there");
}

fn names_in(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).expect("a folder").map(|entry| {
        let name = entry.expect("an entry").file_name();
        name.to_string_lossy().into_owned()
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}
