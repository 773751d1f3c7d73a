//! What `kerno agent` takes, which runs always: of a host that asks 10,000 times a second,
//! with its minutes written to disk; under ten times as much; and when it is told to end.

use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use serde_json::Value;

use crate::agent::Spell;
use crate::agent::during;
use crate::cgroups::Groups;
use crate::crowd::Crowd;
use crate::elsewhere;
use crate::figures::Table;
use crate::figures::whole;
use crate::figures::with_digits;
use crate::kerno::Kerno;
use crate::load::dnsperf;
use crate::site::NAMES;
use crate::site::Site;

/// Queries a second, of all programs together.
const RATE: u32 = 10_000;
/// Ten times as many.
const MANY: u32 = 100_000;
/// How long that lasts.
const MANY_TIME: Duration = Duration::from_secs(10);
/// After the start, which is no part of what is measured.
const SETTLED: Duration = Duration::from_secs(3);
/// Minutes of twelve hours.
const MINUTES: f64 = 12.0 * 60.0;
/// A minute is written when it is over, and one may have been begun.
const PATIENCE: Duration = Duration::from_secs(150);
/// Of windows in memory, in octets: `--memory`.
const MEMORY: f64 = (24 << 20) as f64;
const MIB: f64 = (1 << 20) as f64;

/// What an agent took.
struct Taken {
    spell: Spell,
    /// Attempts a second that it saw.
    seen: f64,
    /// Octets that a minute takes on disk.
    minute: f64,
    /// Of the process, and of the windows in it, as kerno counts them.
    resident_mib: f64,
    windows: f64,
}

impl Taken {
    /// While so much is asked of this server.
    fn measure(site: &Site, agent: &Kerno, groups: &mut Groups, server: Ipv4Addr) -> Result<Self> {
        let crowd = Crowd::start(site, groups, (server, RATE))?;
        thread::sleep(SETTLED);
        let mut minute = f64::NAN;
        let spell = during(agent, || {
            minute = octets_of_a_minute(agent)?;
            Ok(u64::from(RATE))
        })?;
        let status = agent.ask("/v1/status")?;
        let resident_mib = agent.resident()?;
        let report = agent.ask("/v1/doctor?last_ms=30000")?;
        drop(crowd);
        Ok(Self {
            spell,
            seen: count(&report, "queries_seen")
                / report["window_seconds"].as_f64().unwrap_or(f64::NAN),
            minute,
            resident_mib,
            windows: status["memory_octets"].as_f64().unwrap_or(f64::NAN),
        })
    }

    fn cells(&self) -> [String; 5] {
        let mib = |mib: f64| format!("{} MiB", with_digits(mib, 1));
        [
            format!("{} % of a core", with_digits(percent(&self.spell), 2)),
            mib(self.resident_mib),
            mib(self.resident_mib + (MEMORY - self.windows) / MIB),
            format!("{} KiB", with_digits(self.minute / 1024.0, 1)),
            mib(self.minute * MINUTES / MIB),
        ]
    }
}

/// Measures and describes it.
pub(crate) fn measure(site: &Site) -> Result<String> {
    let mut groups = Groups::new(site)?;
    elsewhere::start(site)?;
    let agent = agent(site, "history-of-one-end")?;
    let one = Taken::measure(site, &agent, &mut groups, elsewhere::ADDRESS)?;
    agent.terminate()?;

    let agent = self::agent(site, "history-of-both")?;
    let unbound = site.unbound()?;
    let both = Taken::measure(site, &agent, &mut groups, Ipv4Addr::LOCALHOST)?;

    let before = agent.ask("/v1/doctor")?;
    let many = dnsperf(site, MANY_TIME, Some(MANY))?;
    let after = agent.ask("/v1/doctor")?;
    let lost = count(&after, "lost") - count(&before, "lost");
    let seen = count(&after, "queries_seen") - count(&before, "queries_seen");

    let crowd = Crowd::start(site, &mut groups, (Ipv4Addr::LOCALHOST, RATE))?;
    thread::sleep(SETTLED);
    let ended_in = agent.terminate()?;
    drop((crowd, unbound));

    let what = [
        ("CPU time", "1 %"),
        ("resident", "40 MiB"),
        ("the same with windows up to `--memory`", "40 MiB"),
        ("a minute on disk", ""),
        ("12 hours on disk", "64 MiB"),
    ];
    let mut table = Table::new(&["what", "asked elsewhere", "both ends here", "at most"]);
    for ((what, most), (one, both)) in what
        .into_iter()
        .zip(one.cells().into_iter().zip(both.cells()))
    {
        table.row(&[what.to_owned(), one, both, most.to_owned()]);
    }
    table.row(&[
        "lost under ten times as much".to_owned(),
        String::new(),
        format!(
            "{} of {} at {} queries/s",
            whole(lost),
            whole(seen),
            whole(many.per_second)
        ),
        "0".to_owned(),
    ]);
    table.row(&[
        "from SIGTERM to its end, at 10,000 queries/s".to_owned(),
        String::new(),
        format!("{} ms", whole(ended_in.as_secs_f64() * 1e3)),
        "1,000 ms".to_owned(),
    ]);
    Ok(format!(
        "`kerno agent` as it is started without options, but that nobody scrapes it: {} ask \
         for {} names, half of which do not exist, {} queries/s in all, and one \
         program asks a silent server {}. First they ask a server that is elsewhere, as on most \
         hosts: their end is seen, {} attempts a second. Then unbound on the same host: both ends \
         are seen, {} attempts a second. CPU time is of all its threads for {} and {} s, in which \
         it wrote a minute to disk; most of it, in %: {}; {}. 12 hours are 720 times the row of a \
         whole minute, as the files grew by it. What it may \
         still take for windows that it keeps is what `--memory` (24 MiB) leaves of the {} and {} MiB \
         that they took by then, as kerno counts it. For ten times as much dnsperf asks unbound \
         alone, for {} s.\n\n{}",
        Crowd::described(),
        whole(NAMES as f64),
        whole(f64::from(RATE)),
        match crate::crowd::IN_VAIN {
            1 => "once a second".to_owned(),
            times => format!("{times} times a second"),
        },
        whole(one.seen),
        whole(both.seen),
        whole(one.spell.seconds()),
        whole(both.spell.seconds()),
        busiest(&one.spell),
        busiest(&both.spell),
        with_digits(one.windows / MIB, 2),
        with_digits(both.windows / MIB, 2),
        MANY_TIME.as_secs(),
        table.text(),
    ))
}

fn agent(site: &Site, history: &str) -> Result<Kerno> {
    let history = site.folder().join(history);
    let folder = history.to_str().context("a folder with a name in UTF-8")?;
    Kerno::agent(site, "none", &["--history", folder])
}

/// What the files grow by with a whole minute: with the second that is written, because
/// the first was begun before it watched.
fn octets_of_a_minute(agent: &Kerno) -> Result<f64> {
    let one = files_with(agent, 1)?;
    Ok(files_with(agent, 2)? - one)
}

fn files_with(agent: &Kerno, rows: u64) -> Result<f64> {
    let begin = Instant::now();
    loop {
        let history = &agent.ask("/v1/status")?["history"];
        if history["windows"].as_u64() >= Some(rows) {
            return history["octets"].as_f64().context("no size");
        }
        if begin.elapsed() > PATIENCE {
            bail!("no minute is written: {history}");
        }
        thread::sleep(Duration::from_secs(1));
    }
}

fn percent(spell: &Spell) -> f64 {
    spell.sum().cpu_ns / spell.seconds() / 1e9 * 100.0
}

/// Which threads have most of it.
fn busiest(spell: &Spell) -> String {
    let mut threads: Vec<_> = spell.threads().collect();
    threads.sort_by(|(_, one), (_, other)| other.cpu_ns.total_cmp(&one.cpu_ns));
    let told = threads.iter().take(4).map(|(name, work)| {
        let percent = work.cpu_ns / spell.seconds() / 1e9 * 100.0;
        format!("`{name}` {}", with_digits(percent, 2))
    });
    let told: Vec<_> = told.collect();
    told.join(", ")
}

/// A figure of the report's accounting; NaN if it has none.
fn count(report: &Value, field: &str) -> f64 {
    report["accounting"][field].as_f64().unwrap_or(f64::NAN)
}
