//! Each window is told once, from wherever it is.

use std::time::Duration;

use proptest::prelude::*;

use super::super::disk::Bounds;
use super::super::disk::Disk;
use super::super::marks::Mark;
use super::super::rows::Written;
use super::*;
use crate::doctor::Verdict;
use crate::window::End;
use crate::window::Names;
use crate::window::Window;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

/// Ten seconds with one query.
fn window(run: i64, number: u64) -> Timed {
    let mut window = Window::default();
    window.attempt(&crate::sample::plain_attempt());
    let mut end = End::default();
    end.kernel.counters.queries = 1;
    Timed {
        place: Place {
            run,
            first: number,
            last: number,
        },
        from: at(number * 10),
        to: at(number * 10 + 10),
        window: window.close(end),
    }
}

/// A minute of a run, as it is written.
fn written(boot: &str, run: i64, minute: u64) -> Written {
    let mut all = (minute * 6..minute * 6 + 6).map(|number| window(run, number));
    let mut whole = all.next().expect("six");
    all.for_each(|next| whole.merge(&next));
    Written {
        boot: boot.to_owned(),
        place: whole.place,
        line: Line::of(whole.clone()),
        failed: 0,
        window: whole.window.store(Names::All).expect("it is written"),
    }
}

fn past(folder: &Path, memory: std::ops::Range<u64>, rows: &[Written]) -> Past {
    let mut kept = Kept::within(usize::MAX);
    memory.for_each(|number| kept.add(window(2, number)));
    let bounds = Bounds {
        folder: folder.to_owned(),
        octets_max: 64 << 20,
        keep: Duration::from_secs(100_000_000_000),
    };
    let mut disk = Disk::open(bounds).expect("made");
    disk.write(rows, at(0)).expect("written");
    Past {
        kept: Arc::new(Mutex::new(kept)),
        disk: Some((folder.to_owned(), "b".to_owned())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn memory_and_disk_have_each_window_once(
        former in 0..4u64,
        minutes in 0..6u64,
        memory_from in 0..60u64,
        asked in (0..12u64, 1..12u64),
    ) {
        // Two runs in one boot: the later one begins when the former has ended.
        let end = (former + 6) * 6;
        let memory_from = (former * 6 + memory_from).min(end - 1);
        let on_disk = (0..former).map(|it| written("b", 1, it));
        let of_now = (former..former + minutes).map(|it| written("b", 2, it));
        let rows: Vec<_> = on_disk.chain(of_now).collect();
        let folder = tempfile::tempdir().expect("a folder");
        let past = past(folder.path(), memory_from..end, &rows);
        // What was forgotten before it was written is gone.
        let has = |number: u64| {
            number < (former + minutes) * 6 || (number >= memory_from && number < end)
        };
        let (from, to) = (asked.0, (asked.0 + asked.1).min(former + 6));
        let expected = (from * 6..to * 6).filter(|number| has(*number)).count() as u64;
        let time = (at(from * 60), at(to * 60));
        let lines = past.lines(time);
        prop_assert_eq!(lines.iter().map(|it| it.queries).sum::<u64>(), expected);
        let whole = past.between(time).expect("not too much");
        match whole {
            None => prop_assert_eq!(expected, 0),
            Some(Whole { timed, notes }) => {
                prop_assert!(notes.is_empty());
                prop_assert_eq!(timed.window.queries(), expected);
                let accounting = timed.window.accounting(&timed.window.evidence());
                prop_assert_eq!(accounting.balance(), 0);
            }
        }
    }
}

#[test]
fn a_report_is_about_one_boot_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = [written("a", 1, 0), written("a", 1, 1), written("b", 2, 2)];
    let all = past(folder.path(), 18..20, &rows);
    let whole = all
        .between((at(0), at(300)))
        .expect("not too much")
        .expect("windows");
    assert_eq!(whole.timed.from, at(120));
    assert_eq!(whole.timed.window.queries(), 6 + 2);
    assert_eq!(whole.notes.len(), 1);
    assert!(
        whole.notes[0].contains("--until 2027-01-15T08:02:00Z"),
        "{:?}",
        whole.notes
    );
    // What came before can be asked for; and lines are of both.
    let before = all
        .between((at(0), at(120)))
        .expect("not too much")
        .expect("windows");
    assert_eq!(before.timed.window.queries(), 12);
    assert!(before.notes.is_empty());
    // A minute is one line, wherever it is.
    assert_eq!(all.lines((at(0), at(300))).len(), 3 + 1);
    assert_eq!(all.extents((at(0), at(300))).len(), 3 + 2);
}

/// A minute that the log or an alert has told of is in the history, whatever it shows alone.
#[test]
fn what_was_told_is_in_the_minute_in_which_it_was_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = past(folder.path(), 0..18, &[]);
    let mark = |verdict, workload: &str| Mark {
        verdict,
        rule: "dns_servfail",
        workload: Some(workload.to_owned()),
    };
    let told = |number, mark| all.kept.lock().expect("no panic").mark(number, mark);
    told(7, mark(Verdict::Warning, "pod shop/web-1"));
    told(11, mark(Verdict::Critical, "pod shop/web-2"));
    let lines = all.lines((at(0), at(300)));
    let verdicts: Vec<_> = lines.iter().map(|it| it.verdict).collect();
    assert_eq!(
        verdicts,
        [Verdict::Healthy, Verdict::Critical, Verdict::Healthy]
    );
    let troubles = history::of(lines);
    assert_eq!(troubles.len(), 1);
    assert_eq!(troubles[0].from, "2027-01-15T08:01:00.000Z");
    assert_eq!(troubles[0].rules.len(), 1);
    assert_eq!(troubles[0].workloads.len(), 2);
    // It stands where its window does, and goes with it.
    assert_eq!(all.lines((at(0), at(60)))[0].verdict, Verdict::Healthy);
}

/// A minute that is written was judged then; memory may have it, too.
#[test]
fn what_is_written_is_not_judged_again_but_learns_what_was_told_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut rows = [0, 1].map(|minute| written("b", 2, minute));
    rows[0].line.verdict = Verdict::Warning;
    let all = past(folder.path(), 0..18, &rows);
    let verdicts = || -> Vec<_> {
        let lines = all.lines((at(0), at(300)));
        lines.iter().map(|it| it.verdict).collect()
    };
    let (warning, healthy) = (Verdict::Warning, Verdict::Healthy);
    assert_eq!(verdicts(), [warning, healthy, healthy]);
    let mark = Mark {
        verdict: Verdict::Critical,
        rule: "dns_servfail",
        workload: None,
    };
    all.kept.lock().expect("no panic").mark(11, mark);
    assert_eq!(verdicts(), [warning, Verdict::Critical, healthy]);
}

#[test]
fn what_cannot_be_read_is_said_and_left_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut rows = [0, 1, 2, 3].map(|minute| written("b", 1, minute));
    rows[1].window.truncate(40);
    rows[2].window[0] ^= 0xff;
    rows[3].window[3] ^= 0xff;
    let all = past(folder.path(), 0..0, &rows);
    let whole = all
        .between((at(0), at(300)))
        .expect("not too much")
        .expect("a window");
    assert_eq!(whole.timed.window.queries(), 6);
    let said = whole.notes.join(" ");
    for why in ["damaged", "another version", "another key"] {
        assert!(said.contains(why), "{said}");
    }
    // What it was about is known all the same.
    assert_eq!(all.lines((at(0), at(300))).len(), 4);
}

#[test]
fn more_than_a_day_is_no_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let one = written("b", 1, 0);
    let many: Vec<_> = (0..REPORT_MAX as u64 + 1)
        .map(|minute| Written {
            line: Line {
                from: at(minute * 60),
                to: at(minute * 60 + 60),
                ..one.line.clone()
            },
            ..one.clone()
        })
        .collect();
    let all = past(folder.path(), 0..0, &many);
    let day = (at(0), at(10_000_000));
    assert!(all.between(day).is_err());
    assert_eq!(all.lines(day).len(), many.len());
    assert!(all.between((at(0), at(86_400))).expect("a day").is_some());
}

#[test]
fn without_an_agent_the_files_tell() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = Question::default();
    assert!(troubles_on_disk(folder.path(), all).is_none());
    past(folder.path(), 0..0, &[written("b", 1, 0)]);
    let troubles = troubles_on_disk(folder.path(), all).expect("files");
    assert_eq!(
        troubles.expect("they are read").len(),
        0,
        "nothing was wrong"
    );
}
