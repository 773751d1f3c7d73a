//! What each key does.

use ratatui::crossterm::event::KeyCode;
use ratatui::crossterm::event::KeyEvent;
use ratatui::crossterm::event::KeyModifiers;

use super::source::Wish;
use super::state::Over;
use super::state::State;
use super::tab::Tab;
use super::table;

/// A step into the past, in seconds.
const BACK_S: u64 = 60;
/// Lines of a page.
const PAGE: usize = 10;
/// Characters of a filter: as many as a name has.
const FILTER_MAX: usize = 255;

/// Keys and what they do, as help has them.
pub(super) const HELP: [(&str, &str); 14] = [
    ("1-7, Tab", "choose a table"),
    ("up, down", "choose a line; PgUp, PgDn, Home, End"),
    (
        "Enter",
        "all about the line: findings, latency, last failures",
    ),
    ("Esc", "back; also clears the filter"),
    ("/", "show only lines with a text; Enter ends it"),
    ("o", "sort by the next column; at first who is hurt most"),
    ("p, space", "pause"),
    ("left", "a minute back (with --agent)"),
    ("right", "a minute forward"),
    ("n", "now"),
    ("s", "save this report as an HTML file in this folder"),
    ("?", "this help"),
    ("q", "quit; Ctrl-C, too"),
    ("Ctrl-Z", "stop for now; fg goes on"),
];

/// What is to be done beside the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    None,
    Quit,
    Suspend,
    Wish(Wish),
}

impl State {
    /// Takes a key.
    pub(super) fn key(&mut self, key: KeyEvent) -> Deed {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if is_control => return Deed::Quit,
            KeyCode::Char('z') if is_control => return Deed::Suspend,
            _ if is_control => return Deed::None,
            _ => {}
        }
        if self.is_writing {
            self.write_filter(key.code);
            return Deed::None;
        }
        self.notice = None;
        match key.code {
            KeyCode::Char('q') => return Deed::Quit,
            KeyCode::Char('?') => self.show(match self.over {
                Over::Help => Over::None,
                _ => Over::Help,
            }),
            KeyCode::Char('/') => self.is_writing = true,
            KeyCode::Char('p' | ' ') => self.is_paused = !self.is_paused,
            KeyCode::Char('s') => return Deed::Wish(Wish::Save),
            KeyCode::Char('o') => {
                self.sort = (self.sort + 1) % (table::columns(self.tab).len() + 1);
            }
            KeyCode::Left | KeyCode::Right | KeyCode::Char('n') => return self.travel(key.code),
            KeyCode::Tab => self.open(self.tab.step(1)),
            KeyCode::BackTab => self.open(self.tab.step(Tab::ALL.len() - 1)),
            KeyCode::Char(digit @ '1'..='7') => {
                let at = digit as usize - '1' as usize;
                self.open(Tab::ALL[at]);
            }
            KeyCode::Esc if self.over != Over::None => self.show(Over::None),
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Enter if self.over == Over::None => {
                if let Some(line) = self.lines().get(self.selected) {
                    self.show(Over::Detail(self.tab, line.key.clone()));
                }
            }
            code => self.travel_lines(code),
        }
        Deed::None
    }

    fn write_filter(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.is_writing = false,
            KeyCode::Esc => {
                self.is_writing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(c) if self.filter.chars().count() < FILTER_MAX => self.filter.push(c),
            _ => {}
        }
        self.select(self.selected);
    }

    fn open(&mut self, tab: Tab) {
        self.tab = tab;
        self.sort = 0;
        self.selected = 0;
        self.show(Over::None);
    }

    fn show(&mut self, over: Over) {
        self.over = over;
        self.scrolled = 0;
    }

    /// Through time, if there is a past.
    fn travel(&mut self, code: KeyCode) -> Deed {
        if !self.has_history {
            self.notice = Some("the past is known to an agent: kerno top --agent".to_owned());
            return Deed::None;
        }
        self.back_s = match code {
            KeyCode::Left => self.back_s.saturating_add(BACK_S),
            KeyCode::Right => self.back_s.saturating_sub(BACK_S),
            _ => 0,
        };
        self.is_paused = false;
        Deed::Wish(Wish::Back(self.back_s))
    }

    fn travel_lines(&mut self, code: KeyCode) {
        let place = match self.over {
            Over::None => self.selected,
            _ => self.scrolled,
        };
        let place = match code {
            KeyCode::Up | KeyCode::Char('k') => place.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => place.saturating_add(1),
            KeyCode::PageUp => place.saturating_sub(PAGE),
            KeyCode::PageDown => place.saturating_add(PAGE),
            KeyCode::Home => 0,
            KeyCode::End => usize::MAX,
            _ => return,
        };
        match self.over {
            Over::None => self.select(place),
            // Drawing keeps it on the page.
            _ => self.scrolled = place.min(usize::from(u16::MAX)),
        }
    }
}
