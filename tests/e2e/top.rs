//! `kerno top` in a real terminal: tmux, with a shell in it that has job control.

use std::process::Command;

use crate::agent::Agent;
use crate::agent::Silent;
use crate::agent_history::fail;
use crate::process::finish;
use crate::process::poll;

/// A terminal; its server is killed when it is dropped.
struct Screen {
    socket: String,
}

impl Screen {
    fn open(name: &str, width: u16, height: u16) -> Self {
        let screen = Self {
            socket: format!("kerno-{}-{name}", std::process::id()),
        };
        let size = ["-x", &width.to_string(), "-y", &height.to_string()].map(str::to_owned);
        let shell = "env PS1='ready> ' LANG=C.UTF-8 bash --norc --noprofile -i";
        let mut command = screen.command(&["-f", "/dev/null", "new-session", "-d"]);
        let begun = finish(command.args(size).arg(shell));
        assert!(begun.succeeded, "{}", begun.output);
        screen.shows("ready>");
        screen
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("/usr/bin/tmux");
        command.args(["-L", &self.socket]).args(arguments);
        command
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        finish(&mut self.command(arguments)).output
    }

    /// Presses keys, by their names.
    fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    fn text(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until it shows this.
    fn shows(&self, words: &str) -> String {
        poll(&format!("{words:?} on the screen"), || {
            Some(self.text()).filter(|text| text.contains(words))
        })
    }

    fn is_taken(&self) -> bool {
        // On the alternate screen, without a cursor.
        self.tmux(&["display-message", "-p", "#{alternate_on}#{cursor_flag}"])
            .trim()
            == "10"
    }

    /// Whether the terminal is as it was before: what is typed is shown, and run.
    fn is_given_back(&self, word: &str) {
        poll("the terminal to be given back", || {
            (!self.is_taken()).then_some(())
        });
        let command = format!("echo {word}-$((40 + 2))");
        self.press(&[&command, "Enter"]);
        let text = self.shows(&format!("{word}-42"));
        assert!(
            text.contains(&command),
            "what is typed is not shown: {text}"
        );
    }

    /// What runs in the foreground of the shell.
    fn running(&self) -> String {
        let shell = self.tmux(&["display-message", "-p", "#{pane_pid}"]);
        let shell = shell.trim();
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children"));
        children.expect("the shell runs").trim().to_owned()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _gone = self.command(&["kill-server"]).output();
    }
}

#[test]
fn root_a_live_screen_shows_a_fault_and_gives_the_terminal_back() {
    const PORT: u16 = 10_681;
    let screen = Screen::open("own", 100, 30);
    let command = format!(
        "{} top --port {PORT} --timeout 100ms",
        env!("CARGO_BIN_EXE_kerno")
    );
    screen.press(&[&command, "Enter"]);
    screen.shows("nobody asked anything");
    assert!(screen.is_taken());
    let silent = Silent::start(PORT);
    silent.ask(0..40);
    screen.shows("! 1. CRITICAL");
    screen.shows("HURTING");
    let server = silent.address.to_string();
    // Servers; all about it, with the failures that were seen live.
    screen.press(&["3"]);
    screen.shows(&server);
    screen.press(&["Enter"]);
    screen.shows("evidence");
    screen.press(&["End"]);
    screen.shows("silent.kerno.test");
    screen.press(&["Escape"]);
    screen.press(&["7"]);
    screen.shows("unanswered after");
    // It follows its terminal.
    screen.tmux(&["resize-window", "-x", "60", "-y", "15"]);
    poll("a smaller screen", || {
        let text = screen.text();
        let lines: Vec<_> = text.lines().collect();
        (lines.len() == 15 && lines[14].starts_with("?:help")).then_some(())
    });
    // It stops and goes on.
    screen.press(&["C-z"]);
    screen.shows("Stopped");
    screen.is_given_back("stopped");
    screen.press(&["fg", "Enter"]);
    poll("the screen again", || screen.is_taken().then_some(()));
    screen.press(&["1"]);
    screen.shows("CRITICAL");
    // However it ends.
    for (way, word) in [("q", "quit"), ("TERM", "terminated"), ("HUP", "hung-up")] {
        match way {
            "q" => screen.press(&["q"]),
            signal => {
                screen.press(&["clear", "Enter"]);
                screen.press(&[&command, "Enter"]);
                poll("the screen", || screen.is_taken().then_some(()));
                let killed = Command::new("/bin/kill")
                    .args(["-s", signal, &screen.running()])
                    .status();
                assert!(killed.expect("kill").success());
            }
        }
        // Until it has gone, it may read what is typed.
        poll(&format!("its end after {way}"), || {
            screen.running().is_empty().then_some(())
        });
        screen.is_given_back(word);
    }
    // A page is none of a terminal's business.
    let command = format!(
        "{} doctor --output html; echo code-$?",
        env!("CARGO_BIN_EXE_kerno")
    );
    screen.press(&["clear", "Enter"]);
    screen.press(&[&command, "Enter"]);
    assert!(screen.shows("code-2").contains("is for a file or a pipe"));
}

#[test]
fn root_a_live_screen_of_an_agent_goes_back_in_time() {
    const PORT: u16 = 10_682;
    let agent = Agent::start(&["--port", &PORT.to_string(), "--timeout", "100ms"]);
    fail(&agent, PORT, 0..30);
    let screen = Screen::open("agent", 100, 30);
    let socket = agent.socket.to_str().expect("UTF-8");
    let command = format!(
        "{} top --agent --socket {socket}",
        env!("CARGO_BIN_EXE_kerno")
    );
    screen.press(&[&command, "Enter"]);
    screen.shows("CRITICAL");
    // Failures are heard as they happen.
    screen.press(&["7"]);
    screen.shows("nothing failed since");
    fail(&agent, PORT, 100..110);
    screen.shows("silent.kerno.test");
    // There was nothing then, and the agent says so.
    screen.press(&["Left", "Left", "Left"]);
    screen.shows("nothing is kept of that time");
    screen.press(&["n"]);
    screen.shows("CRITICAL");
    screen.press(&["q"]);
    screen.is_given_back("quit");
}
