//! What the workers do, each by its role.

use std::ffi::CString;
use std::io;
use std::io::BufRead as _;
use std::io::BufReader;
use std::thread;

use anyhow::Context as _;
use anyhow::Result;
use nix::sched::CpuSet;
use nix::sched::sched_setaffinity;
use nix::sys::prctl;
use nix::unistd::Pid;
use serde_json::Value;

use super::client;
use super::janitor;
use super::outside;
use super::server;
use super::stranger;
use super::worker::Line;
use super::worker::Role;
use super::worker::say;

/// Is a worker: what the hidden command does.
pub fn run() {
    match serve(BufReader::new(io::stdin())) {
        Ok(value) => say(&Line::Done(value)),
        Err(error) => say(&Line::Failed(format!("{error:#}"))),
    }
}

fn serve(mut input: BufReader<io::Stdin>) -> Result<Value> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    let role = serde_json::from_str(&line).context("`kerno chaos` starts this command")?;
    let ready = || say(&Line::Ready);
    Ok(match role {
        Role::Client(ask) => {
            set_comm(&ask.comm)?;
            serde_json::to_value(client::run(&ask, input, ready)?)?
        }
        Role::Server(serve) => {
            set_comm(&serve.comm)?;
            serve.limits.cpu.map(pin).transpose()?;
            serde_json::to_value(server::run(&serve, input, ready)?)?
        }
        Role::Resident => {
            set_comm("lab-node")?;
            ready();
            io::copy(&mut input, &mut io::sink())?;
            Value::Null
        }
        Role::Hog(cpu) => {
            set_comm("lab-hog")?;
            pin(cpu)?;
            thread::spawn(|| {
                loop {
                    std::hint::spin_loop();
                }
            });
            ready();
            io::copy(&mut input, &mut io::sink())?;
            Value::Null
        }
        Role::Outside(beyond) => serde_json::to_value(outside::run(beyond, input, ready)?)?,
        Role::Stranger(whom) => serde_json::to_value(stranger::run(&whom, input, ready)?)?,
        Role::Janitor(note) => serde_json::to_value(janitor::run(note, &mut input, ready)?)?,
    })
}

/// This thread, and those that it starts, run on this CPU alone.
fn pin(cpu: usize) -> Result<()> {
    let mut one = CpuSet::new();
    one.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &one)
        .with_context(|| format!("cannot run on CPU {cpu} alone"))
}

/// Gives this process a name of 15 bytes at most, as `ps` and the kernel show it.
fn set_comm(comm: &str) -> Result<()> {
    let name = CString::new(comm)?;
    prctl::set_name(&name).with_context(|| format!("cannot take the name {comm}"))
}
