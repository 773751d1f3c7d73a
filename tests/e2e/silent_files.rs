//! A client whose root is a file system that does not answer (FUSE, NFS without its
//! server): its files cost their names, and hold nothing up.

use std::fs::File;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::thread;

use nix::mount::MntFlags;
use nix::mount::MsFlags;
use nix::mount::mount;
use nix::mount::umount2;
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::doctor::Doctor;
use crate::fake_server;
use crate::fake_server::at_once;
use crate::process::PATIENCE;
use crate::process::Process;
use crate::site::SERVER_V4;
use crate::site::Site;

/// Operations of include/uapi/linux/fuse.h.
const GETATTR: u32 = 3;
const INIT: u32 = 26;
const ACCESS: u32 = 34;
/// These have no answer: FORGET, INTERRUPT, BATCH_FORGET.
const WITHOUT_ANSWER: [u32; 3] = [2, 36, 42];

/// A mounted file system whose root is a folder, and in which every look at anything
/// waits until this is dropped.
struct Silent {
    folder: TempDir,
    device: Arc<File>,
    /// An operation that waits, each time that one begins to.
    held: Receiver<u32>,
}

impl Silent {
    fn mount() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let device = File::options().read(true).write(true).open("/dev/fuse");
        let device = Arc::new(device.expect("FUSE"));
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0,allow_other",
            device.as_raw_fd()
        );
        let no_flags = MsFlags::empty();
        let kind = Some("fuse");
        mount(
            Some("silent"),
            folder.path(),
            kind,
            no_flags,
            Some(&*options),
        )
        .expect("to mount");
        let (tell, held) = mpsc::channel();
        let server = Arc::clone(&device);
        thread::spawn(move || serve(&server, |operation| tell.send(operation).is_ok()));
        Self {
            folder,
            device,
            held,
        }
    }

    fn await_somebody(&self) {
        self.held.recv_timeout(PATIENCE).expect("somebody looks");
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // Ends the requests that wait (the connection is aborted when its mount is gone).
        let _gone = umount2(
            self.folder.path(),
            MntFlags::MNT_DETACH | MntFlags::MNT_FORCE,
        );
        drop(Arc::clone(&self.device));
    }
}

/// Answers what mounting needs, and nothing else, until the mount is gone.
fn serve(device: &File, holds: impl Fn(u32) -> bool) {
    let mut request = vec![0; 1 << 17];
    while let Ok(length) = (&*device).read(&mut request) {
        let word = |at: usize| request[at..at + 4].try_into().map(u32::from_ne_bytes);
        let operation = word(4).expect("a header");
        let unique: [u8; 8] = request[8..16].try_into().expect("a header");
        let mut error = 0;
        let body = match operation {
            // struct fuse_init_out of version 7.31.
            INIT => [7_u32, 31, 65_536, 0, 12 | 9 << 16, 65_536, 1]
                .into_iter()
                .flat_map(u32::to_ne_bytes)
                .chain([0; 36])
                .collect(),
            GETATTR => attributes_of_a_folder(),
            ACCESS => {
                error = -libc::ENOSYS;
                Vec::new()
            }
            _ if WITHOUT_ANSWER.contains(&operation) => continue,
            _ if length > 0 && holds(operation) => continue,
            _ => return,
        };
        let len = u32::try_from(16 + body.len()).expect("it is short");
        let mut answer = [&len.to_ne_bytes()[..], &error.to_ne_bytes(), &unique].concat();
        answer.extend(body);
        (&*device).write_all(&answer).expect("to answer");
    }
}

/// struct fuse_attr_out: valid for 100 s.
fn attributes_of_a_folder() -> Vec<u8> {
    let mut attributes = Vec::new();
    attributes.extend(100_u64.to_ne_bytes());
    attributes.extend([0; 8]);
    attributes.extend(
        [1_u64, 0, 0, 0, 0, 0]
            .into_iter()
            .flat_map(u64::to_ne_bytes),
    );
    let mode_and_rest = [0_u32, 0, 0, 0o40_755, 2, 0, 0, 0, 4096, 0];
    attributes.extend(mode_and_rest.into_iter().flat_map(u32::to_ne_bytes));
    attributes
}

/// Asks from inside, and stays.
fn client_inside(site: &Site, silent: &Silent) -> Process {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/chrooted.py");
    let mut python = site.client.command("/usr/bin/python3");
    python.arg(script).arg(silent.folder.path());
    python.arg(SERVER_V4.to_string());
    python.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut client = Process::start(&mut python);
    let mut said = String::new();
    let stdout = client.child.stdout.take().expect("piped");
    let read = BufReader::new(stdout).read_line(&mut said);
    read.expect("a line");
    assert_eq!(said, "asked\n");
    client
}

#[test]
fn root_a_file_system_that_does_not_answer_holds_no_report_up() {
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    fake_server::serve(&site.server, server, |query, _| at_once(query));
    let doctor = Doctor::start(&["--output", "json"]);
    let silent = Silent::mount();
    let _client = client_inside(&site, &silent);
    silent.await_somebody();
    // While it does not answer: the report comes, and the process ends.
    let (code, _report) = doctor.json();
    assert_eq!(code, 0);
    drop(silent);
}

#[test]
fn root_a_doctor_that_waits_for_a_file_can_be_killed() {
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    fake_server::serve(&site.server, server, |query, _| at_once(query));
    let mut doctor = Doctor::start(&[]);
    let silent = Silent::mount();
    let _client = client_inside(&site, &silent);
    silent.await_somebody();
    doctor.kill(Signal::SIGKILL);
    drop(silent);
}
