//! A CRI server that answers, and those that do not.

use super::fake::Manner;
use super::fake::Server;
use super::fake::Told;
use super::*;
use crate::attempt::identity::WorkloadId;
use crate::attribution::names::tests::ask;

const ENOUGH: Duration = Duration::from_secs(8);

fn id(n: usize) -> String {
    format!("{n:064x}")
}

fn told(n: usize) -> Told {
    Told {
        id: id(n),
        name: format!("container-{n}"),
        namespace: "shop".to_owned(),
        pod: format!("web-{n}"),
        uid: format!("uid-{n}"),
    }
}

fn of(n: usize) -> Arc<Subject> {
    let path = format!("/kubepods/burstable/poduid-{n}/{}", id(n));
    Arc::new(Subject::of_cgroup(path.as_bytes(), None))
}

fn name(subject: &Subject) -> (String, Option<String>) {
    let identity = subject.identity();
    let id = WorkloadId::of(&identity).expect("a pod");
    let container = identity.container_name().map(str::to_owned);
    (id.to_string(), container)
}

fn cri(server: &Server) -> Cri {
    Cri::new(Some(server.socket().to_owned()))
}

#[test]
fn a_few_are_asked_for_one_by_one_and_many_together() {
    let server = Server::start(Manner::Answers((0..50).map(told).collect()));
    let mut cri = cri(&server);
    let one = of(7);
    let failures = ask(&mut cri, &[&one]);
    assert_eq!((failures.times, failures.complaint), (0, None));
    assert_eq!(
        name(&one),
        ("pod shop/web-7".to_owned(), Some("container-7".to_owned()))
    );
    assert_eq!(
        one.identity().labels().container.unwrap().runtime,
        Some(Runtime::CriO)
    );
    // It said once what it is.
    assert_eq!(server.calls(), 3);
    let many: Vec<_> = (10..40).map(of).collect();
    let failures = ask(&mut cri, &many.iter().collect::<Vec<_>>());
    assert_eq!(server.calls(), 5);
    for (n, subject) in (10..40).zip(&many) {
        let expected = format!("container-{n}");
        assert_eq!(name(subject), (format!("pod shop/web-{n}"), Some(expected)));
    }
    assert_eq!((failures.times, failures.complaint), (0, None));
}

#[test]
fn a_pod_is_found_by_its_uid_or_its_sandbox() {
    let mut pause = told(1);
    pause.id = "x".to_owned();
    let server = Server::start(Manner::Answers(vec![pause]));
    let pod = Arc::new(Subject::of_cgroup(b"/kubepods/poduid-1", None));
    ask(&mut cri(&server), &[&pod]);
    assert_eq!(name(&pod), ("pod shop/web-1".to_owned(), None));
    assert_eq!(pod.identity().pod_uid(), Some("uid-1"));
}

#[test]
fn whom_it_does_not_know_keeps_its_id() {
    let server = Server::start(Manner::Answers(vec![told(1)]));
    let mut cri = cri(&server);
    let stranger = of(2);
    let failures = ask(&mut cri, &[&stranger]);
    assert_eq!(name(&stranger), ("pod uid-2".to_owned(), None));
    assert_eq!(failures.times, 0, "that is an answer");
}

#[test]
fn what_was_there_at_the_start_is_known_when_it_is_gone() {
    let server = Server::start(Manner::Answers(vec![told(1)]));
    let mut cri = cri(&server);
    cri.look_around(&mut Failures::default());
    let calls = server.calls();
    let subject = of(1);
    ask(&mut cri, &[&subject]);
    assert_eq!(name(&subject).0, "pod shop/web-1");
    assert_eq!(server.calls(), calls, "nobody had to be asked again");
}

/// Each costs names and a bounded time, is counted, and is left alone for a while.
#[test]
fn broken_and_evil_servers_cost_names_only() {
    for manner in [
        Manner::Mute,
        Manner::Hangs,
        Manner::Floods,
        Manner::Babbles,
        Manner::Garbles,
        Manner::KnowsNothing,
    ] {
        let server = Server::start(manner.clone());
        let mut cri = cri(&server);
        let start = Instant::now();
        let subject = of(1);
        let failures = ask(&mut cri, &[&subject]);
        assert!(
            start.elapsed() < ENOUGH,
            "{manner:?}: {:?}",
            start.elapsed()
        );
        assert!(subject.lacks_names());
        assert_eq!(failures.times, 1, "{manner:?}");
        let complaint = failures.complaint.expect("a sentence");
        assert!(complaint.contains("could not be asked ("), "{complaint}");
        let calls = server.calls();
        let failures = ask(&mut cri, &[&subject]);
        assert_eq!((server.calls(), failures.times), (calls, 0), "{manner:?}");
    }
}

/// Four million items in 8 MB: a few thousand are looked at.
#[test]
fn a_crowd_of_items_is_bounded() {
    let server = Server::start(Manner::Crowds);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let items = runtime.block_on(async {
        let mut connection = Connection::open(server.socket()).await?;
        let request = ListRequest { filter: None };
        let listed = connection.call(LIST_CONTAINERS, &request).await?;
        Ok::<Vec<Container>, Failure>(items(listed)?)
    });
    match items {
        Ok(items) => assert_eq!(items.len(), call::ITEMS_MAX),
        // On a busy machine it may take too long to come over.
        Err(failure) => assert!(failure.to_string().contains("in time"), "{failure}"),
    }
}

#[test]
fn names_of_a_liar_are_printable_and_bounded() {
    let mut liar = told(1);
    liar.pod = "\x1b[2J".repeat(100_000);
    liar.namespace = "\u{202e}".to_owned();
    let server = Server::start(Manner::Answers(vec![liar]));
    let subject = of(1);
    ask(&mut cri(&server), &[&subject]);
    let identity = subject.identity();
    let pod = identity.pod().expect("a pod");
    assert_eq!(pod.namespace.as_deref(), Some("\\xe2\\x80\\xae"));
    let name = pod.name.as_deref().expect("a name");
    assert!(name.len() < 2_000 && !name.contains('\x1b'));
}

#[test]
fn a_socket_that_is_not_there_is_a_failure_only_if_it_was_named() {
    let subject = of(1);
    let mut named = Cri::new(Some(PathBuf::from("/nonexistent/cri.sock")));
    let failures = ask(&mut named, &[&subject]);
    assert_eq!(failures.times, 1);
    assert!(
        failures
            .complaint
            .expect("a sentence")
            .contains("/nonexistent/cri.sock")
    );
    let mut usual = Cri::new(None);
    for socket in &mut usual.sockets {
        socket.path = PathBuf::from("/nonexistent");
    }
    let failures = ask(&mut usual, &[&subject]);
    assert_eq!((failures.times, failures.complaint), (0, None));
}
