//! The history's database: opened, kept within its bounds, and begun anew where it is damaged.

use std::fmt;
use std::fs;
use std::fs::DirBuilder;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::SystemTime;

use nix::fcntl::Flock;
use nix::fcntl::FlockArg;
use nix::sys::statvfs::FsFlags;
use percent_encoding::NON_ALPHANUMERIC;
use percent_encoding::percent_encode;
use rusqlite::Connection;
use rusqlite::ErrorCode;
use rusqlite::OpenFlags;
use rusqlite::OptionalExtension as _;

use super::rows;
use super::rows::Written;
use crate::attempt::hashing;

/// Where it is, if nothing else is said.
pub const HISTORY: &str = "/var/lib/kerno";

const FILE: &str = "history.db";
/// A damaged one is kept under this name; the one before it is replaced.
const DAMAGED: &str = "history.db.damaged";
const LOCK: &str = "lock";
/// "krno", so that file(1) and others know it.
const APPLICATION: i64 = 0x6b72_6e6f;
/// A reader in another process may have the database for a moment.
const BUSY: Duration = Duration::from_millis(500);

/// Where, how much and how long.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// The folder.
    pub folder: PathBuf,
    /// All files together, in octets.
    pub octets_max: u64,
    /// What ended longer ago is forgotten.
    pub keep: Duration,
}

/// Why it cannot be used. Each is said in one sentence.
#[derive(Debug)]
pub(super) enum Fault {
    /// Another agent writes there.
    Taken,
    /// A later kerno has made it.
    Newer,
    /// It is no database, or a damaged one.
    Damaged,
    /// The folder or the file is not there any more.
    Gone,
    /// The file system has no room, or the bound is too narrow.
    Full,
    /// Anything else.
    Other(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken => f.write_str("another agent writes there"),
            Self::Newer => f.write_str("a later kerno has made the database"),
            Self::Damaged => f.write_str("the database is damaged"),
            Self::Gone => f.write_str("the database was deleted"),
            Self::Full => f.write_str("there is no room"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged,
            Some(ErrorCode::DiskFull) => Self::Full,
            _ => Self::Other(error.to_string()),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Other(error.to_string()),
        }
    }
}

/// The database, open to be written. It is this agent's alone until it is dropped.
#[derive(Debug)]
pub(super) struct Disk {
    bounds: Bounds,
    connection: Connection,
    /// Which file it is, to know when it is gone.
    inode: u64,
    _lock: Flock<File>,
}

impl Disk {
    /// Opens it, or makes it.
    pub(super) fn open(bounds: Bounds) -> Result<Self, Fault> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&bounds.folder)?;
        let lock = lock(&bounds.folder)?;
        let path = bounds.folder.join(FILE);
        // Names of queries are told there; its other files have the same mode.
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)?;
        let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        prepare(&connection)?;
        let inode = fs::metadata(&path)?.ino();
        Ok(Self {
            bounds,
            connection,
            inode,
            _lock: lock,
        })
    }

    /// Puts a damaged one aside, so that another can be begun.
    pub(super) fn put_aside(folder: &Path) -> Result<(), Fault> {
        let _lock = lock(folder)?;
        fs::rename(folder.join(FILE), folder.join(DAMAGED))?;
        for beside in ["-wal", "-shm"] {
            let _none = fs::remove_file(folder.join(format!("{FILE}{beside}")));
        }
        Ok(())
    }

    /// Uses the key of its hashes of names, or gives it that which is in use.
    pub(super) fn share_key(&self) -> Result<(), Fault> {
        let stored = stored_key(&self.connection)?;
        let key = stored.map_or_else(hashing::key, hashing::use_key);
        if stored != Some(key) {
            self.connection.execute(
                "INSERT OR REPLACE INTO facts VALUES ('key', ?)",
                [key.cast_signed()],
            )?;
        }
        Ok(())
    }

    /// Writes all of them or none, and keeps the bounds. Returns how many older ones had to
    /// make room.
    pub(super) fn write(&mut self, windows: &[Written], now: SystemTime) -> Result<u64, Fault> {
        let there = fs::metadata(self.bounds.folder.join(FILE));
        if there.map_err(|_| Fault::Gone)?.ino() != self.inode {
            return Err(Fault::Gone);
        }
        let mut forgotten = match now.checked_sub(self.bounds.keep) {
            Some(moment) => rows::forget_before(&self.connection, moment)?,
            None => 0,
        };
        let new: u64 = windows.iter().map(|it| it.window.len() as u64 + 512).sum();
        // The log takes as much again while it is written.
        let room = self.bounds.octets_max.saturating_sub(2 * new) / 8 * 7;
        while self.used()? > room {
            match rows::forget_first(&self.connection)? {
                0 => return Err(Fault::Full),
                more => forgotten += more,
            }
        }
        let transaction = self.connection.transaction()?;
        for window in windows {
            rows::insert(&transaction, window)?;
        }
        transaction.commit()?;
        self.checkpoint()?;
        Ok(forgotten as u64)
    }

    /// Moves the log into the database, and gives the file system back what is not used.
    fn checkpoint(&self) -> Result<(), Fault> {
        for pragma in ["incremental_vacuum", "wal_checkpoint(TRUNCATE)"] {
            let mut pragma = self.connection.prepare(&format!("PRAGMA {pragma}"))?;
            let mut rows = pragma.query([])?;
            // A page with each step.
            while rows.next()?.is_some() {}
        }
        Ok(())
    }

    /// What rows take, in octets.
    fn used(&self) -> Result<u64, Fault> {
        let number = |pragma| -> Result<u64, Fault> {
            let value = self
                .connection
                .pragma_query_value(None, pragma, |row| row.get(0));
            Ok(value.map(i64::unsigned_abs)?)
        };
        let pages = number("page_count")?.saturating_sub(number("freelist_count")?);
        Ok(pages * number("page_size")?)
    }

    /// How many windows there are, since when, and what the files take.
    pub(super) fn extent(&self) -> Result<(u64, Option<SystemTime>, u64), Fault> {
        let (number, since) = rows::extent(&self.connection)?;
        Ok((number, since, size_of_files(&self.bounds.folder)))
    }
}

/// To read while an agent writes, or when none does.
pub(super) fn read_only(folder: &Path) -> Result<Connection, Fault> {
    let path = folder.join(FILE);
    if !path.exists() {
        return Err(Fault::Gone);
    }
    let shared = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = Connection::open_with_flags(&path, flags)?;
        connection.busy_timeout(BUSY)?;
        let version = version(&connection)?;
        Ok::<_, Fault>((connection, version))
    };
    let (connection, version) = shared().or_else(|fault| match is_at_rest(folder) {
        true => unshared(&path),
        false => Err(fault),
    })?;
    match version {
        rows::SCHEMA => Ok(connection),
        0 => Err(Fault::Gone),
        _ => Err(Fault::Newer),
    }
}

/// Whether nobody can write there, and whoever did has ended well: all is in the one file.
fn is_at_rest(folder: &Path) -> bool {
    let flags = nix::sys::statvfs::statvfs(folder).map(|it| it.flags());
    let is_read_only = flags.is_ok_and(|it| it.contains(FsFlags::ST_RDONLY));
    is_read_only && !folder.join(format!("{FILE}-wal")).exists()
}

/// To share it takes a file beside it, for which there must be room
/// (sqlite.org/wal.html, "Read-Only Databases").
fn unshared(path: &Path) -> Result<(Connection, i64), Fault> {
    let path = percent_encode(path.as_os_str().as_bytes(), NON_ALPHANUMERIC);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(format!("file:{path}?immutable=1"), flags)?;
    let version = version(&connection)?;
    Ok((connection, version))
}

/// Uses the key of one that can only be read, or what is there could not be.
pub(super) fn use_key_of(folder: &Path) -> Result<(), Fault> {
    if let Some(key) = stored_key(&read_only(folder)?)? {
        hashing::use_key(key);
    }
    Ok(())
}

fn stored_key(connection: &Connection) -> Result<Option<u64>, Fault> {
    let key = "SELECT value FROM facts WHERE name = 'key'";
    let stored = connection.query_row(key, [], |row| row.get::<_, i64>(0));
    Ok(stored.optional()?.map(i64::cast_unsigned))
}

fn lock(folder: &Path) -> Result<Flock<File>, Fault> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(folder.join(LOCK))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        nix::errno::Errno::EWOULDBLOCK => Fault::Taken,
        errno => Fault::Other(errno.desc().to_owned()),
    })
}

fn version(connection: &Connection) -> Result<i64, Fault> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Makes the tables of a new one, and looks through one that is there.
fn prepare(connection: &Connection) -> Result<(), Fault> {
    connection.busy_timeout(BUSY)?;
    match version(connection)? {
        0 => connection.execute_batch(&format!(
            "PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;
             BEGIN; {} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {}; COMMIT;",
            rows::TABLES,
            rows::SCHEMA
        ))?,
        rows::SCHEMA => {
            let check = "PRAGMA quick_check(1)";
            let found: String = connection.query_row(check, [], |row| row.get(0))?;
            if found != "ok" {
                return Err(Fault::Damaged);
            }
        }
        _ => return Err(Fault::Newer),
    }
    // A crash of the host may cost the last minute, and no more.
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")?;
    Ok(())
}

fn size_of_files(folder: &Path) -> u64 {
    let sizes = ["", "-wal"].map(|beside| fs::metadata(folder.join(format!("{FILE}{beside}"))));
    sizes.into_iter().flatten().map(|file| file.len()).sum()
}

#[cfg(test)]
mod tests;
