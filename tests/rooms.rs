//! The rooms of `src/` and their order: data goes one way. No import runs from a
//! lower room to a higher one, and no files import each other in a circle.
//!
//! Reads the sources as text: `use` lines and paths that begin with `crate` or
//! `super`. What a file hands on from another (`pub use`) is taken for that other
//! file's. Tests are left out.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The table in docs/architecture.md, from the top down; rooms on one line do not
/// know each other.
fn order() -> Vec<Vec<String>> {
    let text = fs::read_to_string("docs/architecture.md").expect("the architecture");
    let table = text
        .split("<!-- rooms -->")
        .nth(1)
        .expect("the table of rooms");
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let rooms = |line: &str| {
        let cell = line.split('|').nth(1).expect("a first column");
        let names = cell.split('`').skip(1).step_by(2);
        names
            .map(|name| name.trim_end_matches('/').to_owned())
            .collect()
    };
    rows.map(rooms).collect()
}

/// The parts of a file's path below `src`, as a module has them.
type Module = Vec<String>;

/// A source file, without its tests.
#[derive(Debug)]
struct File {
    path: String,
    text: String,
}

fn modules() -> BTreeMap<Module, File> {
    let mut found = BTreeMap::new();
    let mut folders = vec![Path::new("src").to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            if path.is_dir() {
                if !matches!(&*name, "tests" | "snapshots") {
                    folders.push(path);
                }
            } else if let Some(stem) = name.strip_suffix(".rs")
                && !matches!(stem, "tests" | "fake" | "lib" | "main")
            {
                let below = folder.strip_prefix("src").expect("below src");
                let parts = below.iter().map(|part| part.to_string_lossy().into_owned());
                let mut module: Module = parts.collect();
                if stem != "mod" {
                    module.push(stem.to_owned());
                }
                let text = fs::read_to_string(&path).expect("UTF-8");
                let text = without_tests(&text);
                let path = path.to_string_lossy().into_owned();
                found.insert(module, File { path, text });
            }
        }
    }
    found
}

/// Tests stand at the end; what is only for them has its own line, and comments no
/// imports.
fn without_tests(text: &str) -> String {
    let mut kept = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            match lines.next() {
                Some(next) if next.starts_with("mod tests {") => break,
                _ => continue,
            }
        }
        if !line.trim_start().starts_with("//") {
            kept.push(line);
        }
    }
    kept.join("\n")
}

/// Paths that a file names, as parts from the crate's root.
fn paths(module: &Module, is_folder: bool, text: &str) -> BTreeSet<Vec<String>> {
    let mut paths = BTreeSet::new();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    for (start, keyword) in [("crate::", "crate"), ("super::", "super")]
        .iter()
        .flat_map(|(pattern, keyword)| {
            text.match_indices(pattern)
                .map(move |(at, _)| (at, *keyword))
        })
    {
        let before = text[..start].chars().next_back();
        let is_visibility = text[..start].ends_with("(in ");
        if is_visibility || before.is_some_and(|c| is_word(c) || c == ':') {
            continue;
        }
        let end = text[start..].find(|c: char| !is_word(c) && c != ':');
        let whole = &text[start..end.map_or(text.len(), |end| start + end)];
        let mut parts = whole.split("::").filter(|part| !part.is_empty());
        let mut base = match keyword {
            "crate" => Vec::new(),
            // A `mod.rs` stands for its folder.
            _ => module[..module.len() - 1].to_vec(),
        };
        parts.next();
        let mut rest: Vec<&str> = parts.collect();
        while rest.first() == Some(&"super") {
            base.pop();
            rest.remove(0);
        }
        base.extend(rest.into_iter().map(str::to_owned));
        paths.insert(base);
    }
    // In a folder's own file its files are named without `self`.
    if is_folder {
        for line in text.lines().filter(|line| line.starts_with("use ")) {
            let path = line.trim_start_matches("use ").trim_end_matches(';');
            if !path.starts_with("crate::") && !path.starts_with("super::") {
                let mut whole = module.clone();
                let path = path.trim_start_matches("self::");
                whole.extend(path.split("::").map(str::to_owned));
                paths.insert(whole);
            }
        }
    }
    paths
}

/// Which file a path leads to: the deepest module of it, and what that one only
/// hands on, where it comes from.
fn resolve(files: &BTreeMap<Module, File>, path: &[String]) -> Option<Module> {
    let mut depth = path.len();
    while depth > 0 && !files.contains_key(&path[..depth]) {
        depth -= 1;
    }
    if depth == 0 {
        return None;
    }
    let module = path[..depth].to_vec();
    if let Some(name) = path.get(depth) {
        let handed_on = files[&module].text.lines().find_map(|line| {
            let line = line.trim_start_matches("pub(crate) ");
            let line = line
                .trim_start_matches("pub(super) ")
                .trim_start_matches("pub ");
            let origin = line.strip_prefix("use ")?.strip_suffix(';')?;
            let (origin, known_as) = origin.split_once(" as ").unwrap_or((origin, ""));
            let own = origin.rsplit("::").next()?;
            let is_it = known_as == name || (known_as.is_empty() && own == name);
            is_it.then(|| origin.to_owned())
        });
        if let Some(origin) = handed_on {
            let origin = origin.split("::").map(str::to_owned);
            let mut parts: Vec<String> = origin.collect();
            let from = match parts[0].as_str() {
                "crate" => {
                    parts.remove(0);
                    parts
                }
                "super" => {
                    parts.remove(0);
                    [&module[..module.len() - 1], &parts[..]].concat()
                }
                _ => [&module[..], &parts[..]].concat(),
            };
            if from != path {
                return resolve(files, &from).or(Some(module));
            }
        }
    }
    Some(module)
}

/// From file to file.
fn imports(files: &BTreeMap<Module, File>) -> BTreeMap<Module, BTreeSet<Module>> {
    let mut imports = BTreeMap::new();
    for (module, file) in files {
        let is_folder = file.path.ends_with("/mod.rs");
        let mut to = BTreeSet::new();
        for path in paths(module, is_folder, &file.text) {
            to.extend(resolve(files, &path).filter(|it| it != module));
        }
        imports.insert(module.clone(), to);
    }
    imports
}

#[test]
fn no_import_runs_up() {
    let order = order();
    let floor = |room: &str| {
        let row = order.iter().position(|row| row.iter().any(|it| it == room));
        row.unwrap_or_else(|| panic!("docs/architecture.md has no room {room}"))
    };
    let files = modules();
    let mut up = Vec::new();
    for (from, to) in imports(&files) {
        for to in to {
            if from[0] != to[0] && floor(&from[0]) >= floor(&to[0]) {
                up.push(format!("{} imports {}", files[&from].path, files[&to].path));
            }
        }
    }
    assert!(up.is_empty(), "{:#?}", up);
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let files = modules();
    let mut left = imports(&files);
    // Whoever imports nothing that is left is in no circle.
    loop {
        let free: Vec<Module> = left
            .iter()
            .filter(|(_, to)| !to.iter().any(|it| left.contains_key(it)))
            .map(|(from, _)| from.clone())
            .collect();
        if free.is_empty() {
            break;
        }
        free.iter().for_each(|module| drop(left.remove(module)));
    }
    // … and who is imported by none of them.
    loop {
        let wanted: BTreeSet<Module> = left.values().flatten().cloned().collect();
        let before = left.len();
        left.retain(|module, _| wanted.contains(module));
        if left.len() == before {
            break;
        }
    }
    let arrows = left.iter().flat_map(|(from, to)| {
        let within = to.iter().filter(|it| left.contains_key(*it));
        within.map(|to| format!("{} imports {}", files[from].path, files[to].path))
    });
    let arrows: Vec<String> = arrows.collect();
    assert!(arrows.is_empty(), "{arrows:#?}");
}

#[test]
fn every_room_is_there() {
    let files = modules();
    let there: BTreeSet<&str> = files.keys().map(|module| module[0].as_str()).collect();
    let order = order();
    let known: BTreeSet<&str> = order.iter().flatten().map(String::as_str).collect();
    assert_eq!(known, there);
}
