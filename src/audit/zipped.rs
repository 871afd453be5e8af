//! The tables of a pack as one file: a zip of what `counterfoil report --format csv` writes into a folder, to the byte. The time
//! in it is always the first that a zip can say, and the order is that of the tables: the same instant gives the same bytes.
//!
//! Rows of several tables come mixed, and a zip has one file after another. So each table is packed by itself as its rows
//! come, and what was packed is put behind each other. Where that is kept meanwhile is for the caller to say: a file, or memory.

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::rc::Rc;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::csv::Tables;
use super::gather::{Asked, AuditError, gather};
use super::weighed::{Hashed, weighed};
use crate::model::Instant;
use crate::store::Store;

/// How long one table may be before it is packed: what every program that reads zips can read.
const MAX_TABLE: u64 = u32::MAX as u64;

/// Something that bytes are kept in until they are wanted.
pub trait Spool: Read + Write + Seek + Send {}

impl<T: Read + Write + Seek + Send> Spool for T {}

/// What came of packing.
pub enum Zipped {
    /// The file, from its beginning; how long it is, and of which instant.
    Whole(Box<dyn Spool>, u64, Instant),
    /// It would have been larger than was allowed.
    TooLarge,
}

/// The room that all tables share.
#[derive(Debug, Clone)]
struct Room {
    taken: Rc<Cell<u64>>,
    most: u64,
    /// Whether there was not enough.
    full: Rc<Cell<bool>>,
    /// Why something could not be kept.
    broken: Rc<RefCell<Option<io::Error>>>,
}

impl Room {
    fn of(most: u64) -> Self {
        Self { taken: Rc::default(), most, full: Rc::default(), broken: Rc::default() }
    }

    /// Whether all that was packed so far was kept, and there is room for more.
    fn check(&self) -> io::Result<()> {
        if let Some(broken) = self.broken.borrow_mut().take() {
            return Err(broken);
        }
        if self.taken.get() > self.most {
            self.full.set(true);
            return Err(io::Error::other("there is no room for more"));
        }
        Ok(())
    }
}

/// What is packed, and where it is kept.
struct Packed {
    spool: Box<dyn Spool>,
    room: Room,
}

impl Packed {
    /// What cannot be kept is no error here: who packs would have to say on the terminal that it could not end. Whoever gives
    /// it something to pack asks the room.
    fn kept<T: Default>(&self, done: io::Result<T>) -> T {
        done.unwrap_or_else(|e| {
            self.room.broken.borrow_mut().get_or_insert(e);
            T::default()
        })
    }
}

impl Write for Packed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.room.taken.set(self.room.taken.get() + bytes.len() as u64);
        let done = self.spool.write_all(bytes);
        self.kept(done);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let done = self.spool.flush();
        self.kept(done);
        Ok(())
    }
}

impl Seek for Packed {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let done = self.spool.seek(to);
        Ok(self.kept(done))
    }
}

/// One table on its way into the zip.
struct Table {
    zip: ZipWriter<Packed>,
    room: Room,
    written: u64,
}

impl Table {
    fn begin(name: &str, spool: Box<dyn Spool>, room: &Room) -> io::Result<Self> {
        let mut zip = ZipWriter::new(Packed { spool, room: room.clone() });
        zip.start_file(name, options())?;
        Ok(Self { zip, room: room.clone(), written: 0 })
    }
}

impl Write for Table {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written += bytes.len() as u64;
        if self.written > MAX_TABLE {
            self.room.full.set(true);
            return Err(io::Error::other("the table is too long"));
        }
        self.room.check()?;
        self.zip.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The same for every file, whenever it is made.
fn options() -> SimpleFileOptions {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    options.compression_level(Some(6)).last_modified_time(DateTime::default()).unix_permissions(0o600)
}

/// The tables of an instant as one zip of at most about so many bytes, kept in what `make` gives: one for each table, and one
/// for the whole.
///
/// # Errors
/// As [`gather`]; or when something cannot be kept.
pub fn zipped(
    store: &dyn Store,
    asked: &Asked,
    most: u64,
    make: &dyn Fn() -> io::Result<Box<dyn Spool>>,
) -> Result<Zipped, AuditError> {
    let room = Room::of(most);
    let packed = packed(store, asked, &room, make);
    if packed.is_err() && room.full.get() { Ok(Zipped::TooLarge) } else { packed }
}

fn packed(
    store: &dyn Store,
    asked: &Asked,
    room: &Room,
    make: &dyn Fn() -> io::Result<Box<dyn Spool>>,
) -> Result<Zipped, AuditError> {
    let mut begin = |name: &str| Table::begin(name, make()?, room).map(Hashed::new);
    let mut tables = Tables::begin(&mut begin).map_err(AuditError::Output)?;
    let pack = gather(store, asked, &mut tables)?;
    let written = || -> io::Result<(Box<dyn Spool>, u64)> {
        // The whole takes the room that its tables had, which are let go one by one.
        let own = Room::of(u64::MAX);
        let mut all = ZipWriter::new(Packed { spool: make()?, room: own.clone() });
        let mut files = vec![];
        for (name, table) in tables.finish(&pack)? {
            let (table, file) = table.finish(name)?;
            let packed = table.zip.finish()?;
            // The last of a table is packed only now.
            room.check()?;
            let mut one = ZipArchive::new(packed.spool)?;
            all.raw_copy_file(one.by_index_raw(0)?)?;
            own.check()?;
            files.push(file);
        }
        for (name, text) in weighed(&pack, &files) {
            all.start_file(name, options())?;
            all.write_all(text.as_bytes())?;
        }
        let mut spool = all.finish()?.spool;
        own.check()?;
        let length = spool.seek(SeekFrom::End(0))?;
        spool.rewind()?;
        Ok((spool, length))
    };
    let (spool, length) = written().map_err(AuditError::Output)?;
    Ok(Zipped::Whole(spool, length, pack.head.as_of))
}
