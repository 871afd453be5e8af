//! Workbooks (XLSX): one sheet, its first row that is not empty as the header, every later row like one of a CSV.
//!
//! Cells are read one after the other; nothing is sized by what the file claims its dimensions are. Dates come as
//! `YYYY-MM-DD HH:MM:SS` without a zone, because a workbook has none; numbers as their shortest text.

use super::archive::{Input, Seekable};
use super::recognise::{Found, Recognised};
use super::table::Columns;
use super::{Row, RowSink};
use crate::connect::error::PullError;
use crate::connect::limits::{
    MAX_COLUMNS, MAX_RATIO, MAX_SHEET_CELLS, MAX_SHEET_COLUMNS, MAX_SHEET_ROWS, MAX_XLSX_BYTES,
    MAX_ZIP_ENTRIES, RATIO_FREE_BYTES,
};
use crate::connect::manifest::{Format, Shape};
use crate::connect::settings::Settings;
use calamine::{DataRef, Reader as _, Xlsx};
use encoding_rs::UTF_8;
use std::io::Read as _;

type Book = Xlsx<Box<dyn Seekable>>;

/// Opens a workbook after its parts were unpacked once against the limits.
fn open(input: &Input) -> Result<Book, PullError> {
    check(input)?;
    Xlsx::new(input.seekable()?)
        .map_err(|error| input.error(format!("not a workbook that can be read: {error}")))
}

/// Unpacks every part to nowhere, so that the library below never meets a bomb.
fn check(input: &Input) -> Result<(), PullError> {
    let fail = |error: &dyn std::fmt::Display| {
        input.error(format!("not a whole workbook, is it cut off? ({error})"))
    };
    let mut archive = zip::ZipArchive::new(input.seekable()?).map_err(|error| fail(&error))?;
    if archive.len() > MAX_ZIP_ENTRIES {
        return Err(input.error(format!("a workbook of {} parts", archive.len())));
    }
    let mut total = 0u64;
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(|error| fail(&error))?;
        let compressed = part.compressed_size().max(1);
        let room = MAX_XLSX_BYTES.saturating_sub(total);
        let allowed = room.min(compressed.saturating_mul(MAX_RATIO).max(RATIO_FREE_BYTES));
        let read =
            std::io::copy(&mut part.take(allowed + 1), &mut std::io::sink()).map_err(|error| fail(&error))?;
        if read > allowed {
            return Err(input.error(format!(
                "a workbook that grows to more than {} MiB or {MAX_RATIO} times its size: refused",
                MAX_XLSX_BYTES >> 20
            )));
        }
        total += read;
    }
    Ok(())
}

/// Recognises a sheet by its header row.
pub(super) fn recognise(
    input: &Input,
    candidates: &[&Shape],
    forced: bool,
    settings: &Settings,
) -> Result<Found, PullError> {
    let mut book = open(input)?;
    let sheets = book.sheet_names();
    if let Some(wanted) = settings.common("sheet")
        && !sheets.iter().any(|name| name == wanted)
    {
        return Err(PullError::Setting(format!(
            "setting `sheet`: {} has no sheet `{wanted}`: it has {}",
            input.shown,
            sheets.join(", ")
        )));
    }
    let shapes: Vec<&&Shape> =
        candidates.iter().filter(|shape| shape.formats.contains(&Format::Xlsx)).collect();
    let mut what = "it has no sheet with a header".to_owned();
    for sheet in sheets {
        if settings.common("sheet").is_some_and(|wanted| wanted != sheet) {
            continue;
        }
        let mut header = None;
        each_row(input, &mut book, &sheet, &mut |_, cells| {
            header = Some(cells);
            Ok(false)
        })?;
        let Some(header) = header else { continue };
        let columns = columns(header).map_err(|message| input.error(message))?;
        if let Some(shape) = shapes.iter().find(|shape| forced || columns.fit(shape)) {
            return Ok(Found::Shape(Box::new(Recognised {
                format: Format::Xlsx,
                shape: shape.name.clone(),
                encoding: UTF_8,
                head: columns.head(),
                delimiter: b',',
                sheet: Some(sheet),
            })));
        }
        what = format!("in sheet `{sheet}` {}", columns.describe());
    }
    Ok(Found::None { format: Format::Xlsx, what })
}

/// Cells of one row: column from nought, text.
type Cells = Vec<(usize, String)>;

/// The header row as columns; a gap is a column without a name.
fn columns(cells: Cells) -> Result<Columns, String> {
    let width = cells.iter().map(|(column, _)| column + 1).max().unwrap_or(0);
    if width > MAX_COLUMNS {
        return Err(format!("more than {MAX_COLUMNS} columns"));
    }
    let mut names = vec![String::new(); width];
    for (column, text) in cells {
        if let Some(name) = names.get_mut(column) {
            *name = text;
        }
    }
    Columns::new(names)
}

/// Streams the rows of the recognised sheet.
pub(super) fn rows(
    input: &Input,
    recognised: &Recognised,
    _settings: &Settings,
    sink: &mut RowSink<'_>,
) -> Result<(), PullError> {
    let mut book = open(input)?;
    let sheet = recognised.sheet.clone().unwrap_or_default();
    let mut header: Option<Columns> = None;
    let mut number = 0u64;
    each_row(input, &mut book, &sheet, &mut |line, cells| {
        let Some(columns) = &header else {
            header = Some(columns(cells).map_err(|message| input.error(message))?);
            return Ok(true);
        };
        number += 1;
        let line = Some(u64::from(line) + 1);
        match columns.row(cells) {
            Ok(None) => {}
            Ok(Some(value)) => sink(Ok(Row { value, number, line }), "")?,
            Err(message) => {
                let place = crate::connect::error::Place { line, ..input.place(number) };
                sink(Err(PullError::row(place, message)), "")?;
            }
        }
        Ok(true)
    })
}

/// Calls `take` with each row that has cells, until it says no more.
fn each_row(
    input: &Input,
    book: &mut Book,
    sheet: &str,
    take: &mut dyn FnMut(u32, Cells) -> Result<bool, PullError>,
) -> Result<(), PullError> {
    let fail = |error: calamine::XlsxError| input.error(format!("sheet `{sheet}` cannot be read: {error}"));
    let mut reader = match book.worksheet_cells_reader(sheet) {
        Ok(reader) => reader,
        // A chart has no cells.
        Err(calamine::XlsxError::NotAWorksheet(_)) => return Ok(()),
        Err(error) => return Err(fail(error)),
    };
    let mut current: Option<(u32, Cells)> = None;
    let mut count = 0u64;
    while let Some(cell) = reader.next_cell().map_err(fail)? {
        count += 1;
        let (row, column) = cell.get_position();
        if row >= MAX_SHEET_ROWS || column >= MAX_SHEET_COLUMNS || count > MAX_SHEET_CELLS {
            return Err(input.error(format!(
                "sheet `{sheet}`: a cell at row {}, column {}, which no workbook can have, or more than {MAX_SHEET_CELLS} cells",
                u64::from(row) + 1,
                u64::from(column) + 1
            )));
        }
        let Some(text) = text(cell.get_value()) else { continue };
        match &mut current {
            Some((at, cells)) if *at == row => cells.push((column as usize, text)),
            _ => {
                if let Some((at, cells)) = current.take() {
                    if row < at {
                        return Err(input.error(format!("sheet `{sheet}`: its rows are not in order")));
                    }
                    if !take(at, cells)? {
                        return Ok(());
                    }
                }
                current = Some((row, vec![(column as usize, text)]));
            }
        }
    }
    if let Some((at, cells)) = current {
        take(at, cells)?;
    }
    Ok(())
}

/// The text of a cell, none if it is empty.
fn text(value: &DataRef<'_>) -> Option<String> {
    let text = match value {
        DataRef::Empty => return None,
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number.to_string(),
        DataRef::String(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(flag) => flag.to_string(),
        DataRef::DateTime(time) if time.is_duration() => time.as_f64().to_string(),
        DataRef::DateTime(time) => {
            let (year, month, day, hour, minute, second, _) = time.to_ymd_hms_milli();
            format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
        }
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        // A cell whose formula failed says nothing.
        DataRef::Error(_) => return None,
    };
    (!text.trim().is_empty()).then_some(text)
}
