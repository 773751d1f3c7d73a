//! The `kerno` binary: arguments, logs, exit codes.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Parser as _;
use kerno::cli::Cli;
use kerno::cli::Command;
use kerno::cli::LogFormat;
use kerno::commands;
use kerno::journal;
use kerno::journal::Style;
use serde_json::Map;

fn main() -> ExitCode {
    share_one_heap();
    resolve_without_modules();
    let cli = Cli::parse();
    start_log(&cli);
    match commands::run(&cli) {
        Ok(code) => code,
        Err(error) => {
            if let Some(usage) = error.downcast_ref::<clap::Error>() {
                usage.exit();
            }
            if reader_is_gone(&error) {
                return ExitCode::SUCCESS;
            }
            journal::tell(journal::Level::Error, format_args!("{error:#}"), Map::new());
            ExitCode::from(could_not_run(&cli.command))
        }
    }
}

/// glibc gives threads heaps of their own, and what one of them frees is no use to the
/// others: 2 MiB for kerno's few. See mallopt(3).
fn share_one_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it changes a number of the allocator's, and no other thread is there yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// A program without libraries takes the modules that nsswitch.conf(5) names from the host, whose
/// C library may be another one: it dies in them (of glibc 2.36, in nss-resolve of Debian 13, by
/// SIGFPE). So it resolves names of hosts with what it has itself: /etc/hosts, and DNS by
/// resolv.conf.
fn resolve_without_modules() {
    #[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
    {
        use std::ffi::c_char;
        use std::ffi::c_int;

        // Of <nss.h>, which the libc crate does not have.
        unsafe extern "C" {
            fn __nss_configure_lookup(database: *const c_char, services: *const c_char) -> c_int;
        }
        // SAFETY: both are strings that end and stay, and no other thread is there yet. It fails
        // for want of memory, and then it is as nsswitch.conf says.
        unsafe { __nss_configure_lookup(c"hosts".as_ptr(), c"files dns".as_ptr()) };
    }
}

/// 1, or 3 by the convention of monitoring plugins, where 1 is a warning.
fn could_not_run(command: &Command) -> u8 {
    match command {
        Command::Doctor(args) if args.exit_code => 3,
        // There is nothing else that it could be about.
        Command::Fleet(_) => 3,
        _ => 1,
    }
}

/// `kerno ... | head` is no failure.
fn reader_is_gone(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

/// `-v` and `-vv`, or `KERNO_LOG` as for env_logger; stderr only.
fn start_log(cli: &Cli) {
    journal::start(match &cli.command {
        Command::Agent(args) => args.log == LogFormat::Json,
        _ => false,
    });
    let level = match cli.verbose {
        0 => "warn",
        1 => "info",
        _ => "trace",
    };
    let environment = env_logger::Env::new().filter_or("KERNO_LOG", level);
    let mut builder = env_logger::Builder::from_env(environment);
    match journal::style() {
        Style::Plain => builder.format_target(false),
        style => builder.format(move |out, record| {
            let (level, message) = (record.level().into(), record.args().to_string());
            let line = journal::line(style, level, &message, SystemTime::now(), Map::new());
            out.write_all(line.as_bytes())
        }),
    };
    builder.init();
    kerno::kernel::install_log();
}
