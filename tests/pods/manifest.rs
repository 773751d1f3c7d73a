//! What `deploy/kubernetes.yaml` says of kerno's container, as far as the tests
//! need it: read line by line, for its own layout and no other.

const TEXT: &str = include_str!("../../deploy/kubernetes.yaml");

/// A folder in the container.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) inside: String,
    /// A folder of the node; `None` for one that is the pod's own.
    pub(crate) on_the_node: Option<String>,
    pub(crate) read_only: bool,
}

/// Its lines without comments, and how far each is indented.
fn lines() -> impl Iterator<Item = (usize, &'static str)> {
    TEXT.lines().filter_map(|line| {
        let line = line.split(" #").next().unwrap_or_default().trim_end();
        let text = line.trim_start();
        let counts = !text.is_empty() && !text.starts_with('#');
        counts.then(|| (line.len() - text.len(), text))
    })
}

/// Whether there is this line, at any depth.
pub(crate) fn says(line: &str) -> bool {
    lines().any(|(_, text)| text == line)
}

/// Everything below the first line that is this one.
fn below(head: &str) -> Vec<&'static str> {
    let mut lines = lines().skip_while(|(_, text)| *text != head);
    let (depth, _) = lines.next().unwrap_or_else(|| panic!("no {head}"));
    lines
        .take_while(|(at, _)| *at > depth)
        .map(|(_, text)| text)
        .collect()
}

/// The values of a key, as `mountPath`.
fn values<'a>(lines: &[&'a str], key: &str) -> Vec<&'a str> {
    let value = |line: &&'a str| line.strip_prefix(key)?.strip_prefix(": ");
    lines.iter().filter_map(value).collect()
}

/// Names without `CAP_`.
pub(crate) fn capabilities() -> Vec<&'static str> {
    let item = |line: &'static str| line.strip_prefix("- ");
    below("add:").into_iter().filter_map(item).collect()
}

/// As it is called where it is imported.
pub(crate) fn image() -> String {
    let image = lines().find_map(|(_, text)| text.strip_prefix("image: "));
    image.expect("an image").to_owned()
}

/// What kerno is started with.
pub(crate) fn arguments() -> Vec<&'static str> {
    let args = lines().find_map(|(_, text)| text.strip_prefix("args: [")?.strip_suffix(']'));
    args.expect("args").split(", ").collect()
}

/// In octets.
pub(crate) fn memory_limit() -> i64 {
    let limits = below("limits:");
    let limit = values(&limits, "memory")[0].strip_suffix("Mi");
    limit.and_then(|it| it.parse::<i64>().ok()).expect("Mi") << 20
}

/// Variables whose value is told by a field of the pod: name and field.
pub(crate) fn told_by_fields() -> Vec<(&'static str, &'static str)> {
    let env = below("env:");
    let (names, fields) = (values(&env, "- name"), values(&env, "fieldPath"));
    assert_eq!(names.len(), fields.len());
    names.into_iter().zip(fields).collect()
}

/// The path that a probe asks for, at the port of metrics.
pub(crate) fn probe(kind: &str) -> &'static str {
    let probe = below(&format!("{kind}:"));
    assert_eq!(values(&probe, "port"), ["metrics"]);
    values(&probe, "path")[0]
}

/// That port.
pub(crate) fn port() -> u16 {
    let ports = below("ports:");
    assert_eq!(values(&ports, "- name"), ["metrics"]);
    values(&ports, "containerPort")[0].parse().expect("a port")
}

/// Volumes in the order of their mounts.
pub(crate) fn folders() -> Vec<Folder> {
    let (mounts, volumes) = (below("volumeMounts:"), below("volumes:"));
    let names = [&mounts, &volumes].map(|lines| values(lines, "- name"));
    assert_eq!(names[0], names[1], "every volume is mounted");
    let inside = values(&mounts, "mountPath");
    let read_only = values(&mounts, "readOnly");
    let kinds = volumes.iter().filter(|line| line.ends_with(':'));
    let mut paths = values(&volumes, "path").into_iter();
    let on_the_node: Vec<_> = kinds
        .map(|kind| match *kind {
            "emptyDir:" => None,
            "hostPath:" => Some(paths.next().expect("a path").to_owned()),
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(
        (inside.len(), on_the_node.len(), paths.next()),
        (read_only.len(), names[0].len(), None)
    );
    let folder = |at: usize| Folder {
        inside: inside[at].to_owned(),
        on_the_node: on_the_node[at].clone(),
        read_only: read_only[at] == "true",
    };
    (0..inside.len()).map(folder).collect()
}
