//! The tables of a pack as one file: a zip of what `counterfoil report --format csv` writes into a folder, to the byte. The time
//! in it is always the first that a zip can say, and the order is that of the tables: the same instant gives the same bytes.
//!
//! Rows of several tables come mixed, and a zip has one file after another. So each table is packed by itself as its rows
//! come, and what was packed is put behind each other: nothing is held that is not packed.

use std::cell::Cell;
use std::io::{self, Cursor, Seek, SeekFrom, Write};
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

/// What came of packing.
#[derive(Debug)]
pub enum Zipped {
    /// The file, and of which instant it is.
    Whole(Vec<u8>, Instant),
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
}

/// What is packed of one table.
struct Packed {
    bytes: Cursor<Vec<u8>>,
    room: Room,
}

impl Write for Packed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Never an error: who packs would have to say on the terminal that it could not end. The table looks at the room.
        self.room.taken.set(self.room.taken.get() + bytes.len() as u64);
        self.bytes.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Packed {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

/// One table on its way into the zip.
struct Table {
    zip: ZipWriter<Packed>,
    room: Room,
    written: u64,
}

impl Table {
    fn begin(name: &str, room: &Room) -> io::Result<Self> {
        let packed = Packed { bytes: Cursor::default(), room: room.clone() };
        let mut zip = ZipWriter::new(packed);
        zip.start_file(name, options())?;
        Ok(Self { zip, room: room.clone(), written: 0 })
    }
}

impl Write for Table {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written += bytes.len() as u64;
        if self.room.taken.get() > self.room.most || self.written > MAX_TABLE {
            self.room.full.set(true);
            return Err(io::Error::other("there is no room for more"));
        }
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

/// The tables of an instant as one zip of at most about so many bytes.
///
/// # Errors
/// As [`gather`].
pub fn zipped(store: &dyn Store, asked: &Asked, most: u64) -> Result<Zipped, AuditError> {
    let room = Room { taken: Rc::default(), most, full: Rc::default() };
    match packed(store, asked, &room) {
        Err(_) if room.full.get() => Ok(Zipped::TooLarge),
        packed => packed.map(|(bytes, at)| Zipped::Whole(bytes, at)),
    }
}

fn packed(store: &dyn Store, asked: &Asked, room: &Room) -> Result<(Vec<u8>, Instant), AuditError> {
    let mut make = |name: &str| Table::begin(name, room).map(Hashed::new);
    let mut tables = Tables::begin(&mut make).map_err(AuditError::Output)?;
    let pack = gather(store, asked, &mut tables)?;
    let written = || -> io::Result<Vec<u8>> {
        let mut all = ZipWriter::new(Cursor::new(vec![]));
        let mut files = vec![];
        for (name, table) in tables.finish(&pack)? {
            let (table, file) = table.finish(name)?;
            // The last of a table is packed only now.
            let packed = table.zip.finish()?;
            if room.taken.get() > room.most {
                room.full.set(true);
                return Err(io::Error::other("there is no room for more"));
            }
            let mut one = ZipArchive::new(packed.bytes)?;
            all.raw_copy_file(one.by_index_raw(0)?)?;
            files.push(file);
        }
        for (name, text) in weighed(&pack, &files) {
            all.start_file(name, options())?;
            all.write_all(text.as_bytes())?;
        }
        Ok(all.finish()?.into_inner())
    };
    Ok((written().map_err(AuditError::Output)?, pack.head.as_of))
}
