use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::KeyCode;
use ratatui::crossterm::event::KeyEvent;
use ratatui::crossterm::event::KeyModifiers;
use ratatui::style::Color;
use ratatui::style::Modifier;

use super::*;
use crate::attempt::Outcome;
use crate::report::Form;
use crate::report::Report;
use crate::report::tests as situations;
use crate::sample;
use crate::top::failure::Failure;
use crate::top::keys::Deed;
use crate::top::picture::Picture;
use crate::top::source::Failures;
use crate::top::source::News;
use crate::top::source::Wish;
use crate::top::tab::Tab;

const FULL: Look = Look {
    has_colours: true,
    has_unicode: true,
};
const PLAIN: Look = Look {
    has_colours: false,
    has_unicode: false,
};
const SIZES: [(u16, u16); 3] = [(60, 15), (80, 24), (200, 60)];

fn picture(report: &Report) -> Picture {
    let mut json = Vec::new();
    report
        .write(Form::Json, &mut json)
        .expect("a Vec takes everything");
    Picture::of(&json).expect("kerno's own JSON")
}

fn told(line: &[u8]) -> Failures {
    Failures {
        told: vec![Failure::parse(line).expect("a line"); 3],
        lost: 0,
    }
}

fn state(report: &Report) -> State {
    let mut state = State::new(true, false);
    let line = br#"{"time":"2027-01-15T07:59:59.5Z","outcome":"unanswered","waited_ns":5000000000,
        "name":"a\u001b[2J.example","type":"A","pid":4242,"comm":"curl",
        "server":{"ip":"10.0.0.11","port":53}}"#;
    let lookup = br#"{"time":"2027-01-15T07:59:59.5Z","result":"failed","duration_ns":6000000000,
        "name":"a.example","types":["A","AAAA"],"queries":2,"pid":4242,"comm":"curl",
        "server":{"ip":"10.0.0.11","port":53}}"#;
    state.take(News {
        picture: Some(picture(report)),
        queries: told(&line[..]),
        lookups: told(lookup),
        ..News::default()
    });
    state
}

fn one_finding() -> Report {
    let mut report = situations::report(&situations::one_of_two_fails());
    report.findings.truncate(1);
    report
}

fn screen(state: &State, look: Look, (width, height): (u16, u16)) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a screen");
    terminal
        .draw(|frame| draw(frame, state, look))
        .expect("it is drawn");
    terminal
}

fn text(state: &State, look: Look, size: (u16, u16)) -> String {
    screen(state, look, size).backend().to_string()
}

fn press(state: &mut State, keys: &str) -> Deed {
    let mut deed = Deed::None;
    for key in keys.split(' ') {
        let code = match key {
            "enter" => KeyCode::Enter,
            "esc" => KeyCode::Esc,
            "tab" => KeyCode::Tab,
            "up" => KeyCode::Up,
            "down" => KeyCode::Down,
            "end" => KeyCode::End,
            "left" => KeyCode::Left,
            "right" => KeyCode::Right,
            "back" => KeyCode::Backspace,
            "space" => KeyCode::Char(' '),
            key => KeyCode::Char(key.chars().next().expect("a key")),
        };
        deed = state.key(KeyEvent::new(code, KeyModifiers::NONE));
    }
    deed
}

#[test]
fn the_screen_at_each_size() {
    let all = [
        ("empty", State::new(false, false)),
        (
            "no_traffic",
            state(&situations::report(&Default::default())),
        ),
        (
            "healthy",
            state(&situations::report(&situations::healthy())),
        ),
        ("one_finding", state(&one_finding())),
        (
            "ten_findings",
            state(&situations::report(&situations::many_troubles())),
        ),
        (
            "hostile",
            state(&situations::hostile("\u{1b}[2J\u{202e}<b>\u{7}\\")),
        ),
    ];
    for (name, state) in all {
        for size in SIZES {
            let picture = text(&state, FULL, size);
            assert!(!picture.contains('\u{1b}'), "{name}");
            insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), picture);
        }
    }
}

#[test]
fn without_colours_and_boxes_it_says_the_same() {
    let mut state = state(&situations::report(&situations::many_troubles()));
    press(&mut state, "2");
    let plain = screen(&state, PLAIN, (80, 24));
    let buffer = plain.backend().buffer();
    assert!(
        buffer
            .content()
            .iter()
            .all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset)
    );
    assert!(buffer.content().iter().all(|cell| cell.symbol().is_ascii()));
    insta::assert_snapshot!("mono", plain.backend());
    let full = screen(&state, FULL, (80, 24));
    let buffer = full.backend().buffer();
    let red = buffer.content().iter().filter(|cell| cell.fg == Color::Red);
    assert!(red.count() > 0);
    let selected = |cell: &&ratatui::buffer::Cell| cell.modifier.contains(Modifier::REVERSED);
    assert!(buffer.content().iter().filter(selected).count() >= 80);
}

#[test]
fn any_size_is_drawn() {
    let mut state = state(&situations::report(&situations::many_troubles()));
    for over in ["1", "?", "esc enter", "7"] {
        press(&mut state, over);
        for width in [0, 1, 2, 3, 5, 17, 40, 59, 300] {
            for height in [0, 1, 2, 3, 4, 7, 14, 100] {
                let _drawn = screen(&state, FULL, (width, height));
            }
        }
    }
}

#[test]
fn a_line_tells_all_that_is_known_of_it() {
    let mut state = state(&situations::report(&situations::one_of_two_fails()));
    press(&mut state, "3 enter");
    let page = text(&state, FULL, (100, 120));
    for word in [
        "10.0.0.11:53",
        "evidence",
        "cause",
        "fix 1",
        "99 % within",
        "up to",
        "unanswered after 5.0 s",
        "a.example A AAAA  curl (4242)  10.0.0.11:53  failed after 6.0 s, 2 queries",
    ] {
        assert!(page.contains(word), "{word} in {page}");
    }
    insta::assert_snapshot!("server", page);
    // Further than its end it does not go.
    press(&mut state, "end");
    let end = text(&state, FULL, (100, 20));
    assert!(end.contains("unanswered after 5.0 s"), "{end}");
    press(&mut state, "esc");
    assert_eq!(state.over, Over::None);
    press(&mut state, "1 enter");
    let finding = text(&state, FULL, (100, 60));
    assert!(finding.contains("fix 1"), "{finding}");
    press(&mut state, "?");
    insta::assert_snapshot!("help", text(&state, FULL, (80, 24)));
}

/// The row of the one who fails, as the JSON has it, against what is told of it.
#[test]
fn figures_are_those_of_the_json() {
    let mut fed = situations::one_of_two_fails();
    for took_ms in [5_000, 2_500] {
        fed.failed_lookup(&sample::attempt(
            ("curl", 4242),
            "10.0.0.11:53",
            Outcome::Unanswered,
            took_ms * 1_000_000,
        ));
    }
    let report = situations::report(&fed);
    let mut json = Vec::new();
    report
        .write(Form::Json, &mut json)
        .expect("a Vec takes everything");
    let json: serde_json::Value = serde_json::from_slice(&json).expect("kerno's own JSON");
    let rows = json["dns"]["by_workload"].as_array().expect("rows");
    let row = rows
        .iter()
        .find(|row| row["name"] == "curl")
        .expect("curl's row");
    let of = |row: &serde_json::Value, field: &str| row[field].as_u64().expect("a count");
    let failed: u64 = ["unanswered", "late", "refused", "dropped"]
        .map(|it| of(row, it))
        .iter()
        .sum();
    let lookups = &row["lookups"];
    let lost_s = lookups["seconds_lost"].as_f64().expect("seconds");
    assert!(failed > 0 && of(lookups, "failed") > 0);
    let mut state = state(&report);
    press(&mut state, "2 / c u r l enter enter");
    let page = text(&state, FULL, (120, 100));
    for line in [
        format!("{} queries, {failed} failed", of(row, "queries")),
        format!(
            "{} lookups, {} failed ({}), {} lost",
            of(lookups, "count"),
            of(lookups, "failed"),
            crate::units::percent(of(lookups, "failed"), of(lookups, "count")),
            crate::units::duration((lost_s * 1e9).round() as u64),
        ),
    ] {
        assert!(page.contains(&line), "{line} in {page}");
    }
}

#[test]
fn the_latest_failure_stands_first_whenever_it_was_told() {
    let at = |second: u64| {
        let line = format!("{{\"time\":\"2027-01-15T07:59:0{second}.5Z\"}}");
        Failure::parse(line.as_bytes()).expect("a line")
    };
    let mut state = State::new(false, false);
    for told in [vec![at(3), at(1)], vec![at(2)]] {
        state.take(News {
            queries: Failures { told, lost: 1 },
            ..News::default()
        });
    }
    press(&mut state, "7");
    let times: Vec<_> = state.lines().into_iter().map(|it| it.key).collect();
    assert_eq!(times, ["07:59:03", "07:59:02", "07:59:01"]);
    assert_eq!(state.queries.lost, 2);
}

#[test]
fn a_table_is_sorted_and_filtered() {
    let mut state = state(&situations::report(&situations::one_of_two_fails()));
    press(&mut state, "4");
    let keys =
        |state: &State| -> Vec<String> { state.lines().into_iter().map(|it| it.key).collect() };
    assert_eq!(keys(&state), ["nginx (812)", "curl (4242)"]);
    press(&mut state, "/ C u");
    assert!(state.is_writing);
    assert_eq!(keys(&state), ["curl (4242)"]);
    assert!(text(&state, FULL, (80, 24)).contains("/Cu_"));
    press(&mut state, "back q enter");
    assert_eq!((&*state.filter, state.is_writing), ("Cq", false));
    assert!(text(&state, FULL, (80, 24)).contains("the filter /Cq hides 2 lines: Esc shows all"));
    press(&mut state, "esc");
    assert_eq!(keys(&state).len(), 2);
    // By P99: the last column.
    press(&mut state, "o o o o o");
    assert_eq!(state.sort, 5);
    assert_eq!(keys(&state), ["nginx (812)", "curl (4242)"]);
    press(&mut state, "o");
    assert_eq!(state.sort, 0);
    press(&mut state, "down down down");
    assert_eq!(state.selected, 1);
    press(&mut state, "up up");
    assert_eq!(state.selected, 0);
    press(&mut state, "tab");
    assert_eq!((state.tab, state.selected), (Tab::Names, 0));
}

#[test]
fn what_options_hide_is_no_silence() {
    let mut report = situations::report(&Default::default());
    let mut state = state(&report);
    let shown = |state: &State| text(state, FULL, (80, 24));
    assert!(shown(&state).contains("nobody asked anything"));
    state.is_filtered = true;
    assert!(shown(&state).contains("no program that the options choose asked anything"));
    report.accounting.queries_seen = 12;
    report.accounting.in_flight = 2;
    state.picture = Some(picture(&report));
    let hidden = shown(&state);
    for words in [
        "options with which this screen was started hide all: 10",
        "without options it",
    ] {
        assert!(hidden.contains(words), "{hidden}");
    }
    // A text that is looked for hides nothing here.
    press(&mut state, "/ x enter");
    assert!(shown(&state).contains("options with which"));
}

/// Who waits longest, if nobody's queries fail.
#[test]
fn the_slow_stand_above_the_fast() {
    let mut fed = situations::healthy();
    fed.feed(
        5,
        &sample::attempt(("zz", 1), "10.0.0.9:53", Outcome::Answered, 90_000_000),
    );
    let mut state = state(&situations::report(&fed));
    press(&mut state, "3");
    assert_eq!(
        state.lines().iter().map(|it| &*it.key).collect::<Vec<_>>(),
        ["10.0.0.10:53", "10.0.0.9:53"]
    );
    press(&mut state, "4");
    assert_eq!(state.lines().last().map(|it| &*it.key), Some("nginx (812)"));
}

/// A command is read as it is pasted.
#[test]
fn no_word_of_a_fix_is_broken() {
    let mut report = one_finding();
    report.findings[0].fix = vec![
        "Look at what it says there: `dig +tries=1 q0.bad.edns-dropped.lab.test`".to_owned(),
        "Then: `b`".to_owned(),
    ];
    for (size, is_there) in [((60, 24), false), ((60, 40), true)] {
        let shown = text(&state(&report), FULL, size);
        assert!(shown.contains(" q0.bad.edns-dropped.lab.test "), "{shown}");
        assert_eq!(shown.contains("fix 2/2: Then: b"), is_there, "{shown}");
    }
}

#[test]
fn what_is_paused_stays_as_it_is() {
    let mut state = state(&situations::report(&situations::healthy()));
    press(&mut state, "p");
    state.take(News {
        picture: Some(picture(&one_finding())),
        queries: told(b"{}"),
        notice: Some("saved".to_owned()),
        ..News::default()
    });
    let shown = text(&state, FULL, (80, 24));
    assert!(shown.contains("PAUSED") && shown.contains("HEALTHY") && shown.contains("saved"));
    assert_eq!(state.queries.latest.len(), 3);
    press(&mut state, "p");
    state.take(News {
        picture: Some(picture(&one_finding())),
        ..News::default()
    });
    assert!(text(&state, FULL, (80, 24)).contains("HURTING"));
}

#[test]
fn keys_that_ask_for_something_say_so() {
    let mut state = State::new(true, false);
    assert_eq!(press(&mut state, "s"), Deed::Wish(Wish::Save));
    assert_eq!(press(&mut state, "q"), Deed::Quit);
    assert_eq!(press(&mut state, "left left"), Deed::Wish(Wish::Back(120)));
    assert_eq!(press(&mut state, "right"), Deed::Wish(Wish::Back(60)));
    assert_eq!(press(&mut state, "right right"), Deed::Wish(Wish::Back(0)));
    let control = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
    press(&mut state, "/");
    assert_eq!(state.key(control('c')), Deed::Quit);
    assert_eq!(state.key(control('z')), Deed::Suspend);
    let mut own = State::new(false, false);
    assert_eq!(press(&mut own, "left"), Deed::None);
    assert!(text(&own, FULL, (80, 24)).contains("--agent"));
}
