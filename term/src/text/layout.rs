//! `~p`: breaks a term that does not fit its line, as `io_lib_pretty` lays it out.
//!
//! What the rules know is where a piece would stand (`column`), how deep its container is indented, how many closing brackets
//! follow it (`closing`), and how much of the current line is used (`used`). Each step decides with nothing but the lengths of pieces, so
//! the same walk first runs without output, to try how far tagged tuples can be indented, and then with it.

use std::fmt::{self, Write};

use super::pieces::{self, Kind, Piece};
use super::shape::Record;
use super::style::Style;
use super::write::{self, Segments};
use crate::node::Node;
use crate::order::Context;

/// Writes a term in lines of `width` characters, beginning in `column` (1 is the first).
pub(super) fn term(
    out: &mut dyn Write,
    style: &Style<'_>,
    context: Context<'_>,
    root: Node,
    width: usize,
    column: usize,
) -> fmt::Result {
    let width = i64::try_from(width).unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
    let column = i64::try_from(column).unwrap_or(1).clamp(1, i64::MAX / 4);
    let pieces = pieces::of(style, context, root)?;
    let length = pieces.first().map_or(0, |piece| piece.length);
    if length < width - column {
        return write::term(out, style, context, root);
    }
    let layout = Layout { pieces: &pieces, style, context, width, longest: length, step: 0 };
    // An indentation of its tag's length for each tagged tuple where that leaves room, else of 4, else of 1.
    for step in [-1, 4] {
        let layout = Layout { step, ..layout };
        if layout.run(&mut Nowhere, column)? == Outcome::Good {
            return layout.run(&mut Output(out), column).map(drop);
        }
    }
    Layout { step: 1, ..layout }.run(&mut Output(out), column).map(drop)
}

/// Where the walk leaves what it decides.
trait Sink {
    /// Whether indentations are tried only.
    const TRIAL: bool;
    fn text(&mut self, print: impl FnOnce(&mut dyn Write) -> fmt::Result) -> fmt::Result;
}

struct Nowhere;

impl Sink for Nowhere {
    const TRIAL: bool = true;
    fn text(&mut self, _print: impl FnOnce(&mut dyn Write) -> fmt::Result) -> fmt::Result {
        Ok(())
    }
}

struct Output<'a>(&'a mut dyn Write);

impl Sink for Output<'_> {
    const TRIAL: bool = false;
    fn text(&mut self, print: impl FnOnce(&mut dyn Write) -> fmt::Result) -> fmt::Result {
        print(self.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Good,
    /// Tagged tuples or records would be indented too far.
    TooFar,
}

#[derive(Clone, Copy)]
struct Layout<'a> {
    pieces: &'a [Piece],
    style: &'a Style<'a>,
    context: Context<'a>,
    width: i64,
    /// Most characters of one line, indentation not counted.
    longest: i64,
    /// Indentation below a tag; not above 0: as long as the tag.
    step: i64,
}

/// Where a piece stands.
#[derive(Clone, Copy)]
struct Place {
    column: i64,
    indent: i64,
    closing: i64,
    used: i64,
}

/// The children of a container from the second on.
#[derive(Clone, Copy)]
struct Tail {
    /// The next child, and where the container ends.
    next: usize,
    end: usize,
    kind: Kind,
    /// Where a line begins.
    start: i64,
    place: Place,
}

/// What is still to be done, the next thing last: the stack that stands for recursion.
enum Frame {
    Child(usize, Place),
    Tail(Tail),
    /// The value of a pair that did not fit.
    Value(usize, Place),
    Close(&'static str),
}

impl Layout<'_> {
    fn run(&self, out: &mut impl Sink, column: i64) -> Result<Outcome, fmt::Error> {
        let mut stack =
            vec![Frame::Child(0, Place { column, indent: column - 1, closing: 0, used: 0 })];
        while let Some(frame) = stack.pop() {
            let outcome = match frame {
                Frame::Child(child, place) => self.child(out, &mut stack, child, place)?,
                Frame::Tail(tail) => self.tail(out, &mut stack, tail)?,
                Frame::Value(value, place) => {
                    out.text(|out| out.write_str(" =>"))?;
                    self.new_line(out, place)?;
                    self.piece(out, &mut stack, value, place)?
                }
                Frame::Close(bracket) => {
                    out.text(|out| out.write_str(bracket))?;
                    Outcome::Good
                }
            };
            if outcome == Outcome::TooFar {
                return Ok(outcome);
            }
        }
        Ok(Outcome::Good)
    }

    fn new_line(&self, out: &mut impl Sink, place: Place) -> fmt::Result {
        out.text(|out| indented_line(out, place.indent))
    }

    fn at(&self, index: usize) -> Piece {
        self.pieces.get(index).copied().unwrap_or(Piece {
            kind: Kind::Whole,
            length: 0,
            end: index + 1,
            node: Node::NIL,
        })
    }

    /// Whether a piece fits on the line as it is.
    const fn fits(&self, length: i64, place: Place) -> bool {
        length < self.width - place.column - place.closing
            && length + place.used + place.closing <= self.longest
    }

    /// One piece: on this line if it fits, else opened. Leaves on the stack what comes after its first child.
    fn piece<S: Sink>(
        &self,
        out: &mut S,
        stack: &mut Vec<Frame>,
        index: usize,
        place: Place,
    ) -> Result<Outcome, fmt::Error> {
        let piece = self.at(index);
        if self.fits(piece.length, place) {
            self.line(out, index)?;
            return Ok(Outcome::Good);
        }
        let inside = Place { used: place.used + 1, ..place };
        match piece.kind {
            Kind::Whole => self.line(out, index).map(|()| Outcome::Good),
            Kind::Bytes => self.bytes(out, piece.node, place).map(|()| Outcome::Good),
            Kind::List | Kind::ImproperList | Kind::Tuple => {
                let (open, close) = if piece.kind == Kind::Tuple { ("{", "}") } else { ("[", "]") };
                out.text(|out| out.write_str(open))?;
                stack.push(Frame::Close(close));
                let place = Place { column: place.column + 1, indent: place.indent + 1, ..inside };
                self.first::<S>(stack, index + 1, piece, place)
            }
            Kind::TaggedTuple => {
                out.text(|out| out.write_str("{"))?;
                stack.push(Frame::Close("}"));
                self.tagged(out, stack, index, inside)
            }
            Kind::Map => {
                out.text(|out| out.write_str("#{"))?;
                stack.push(Frame::Close("}"));
                let used = place.used + if S::TRIAL { 2 } else { 1 };
                let place =
                    Place { column: place.column + 2, indent: place.indent + 2, used, ..place };
                self.first::<S>(stack, index + 1, piece, place)
            }
            Kind::Record => self.record(out, stack, index, place),
            Kind::Pair | Kind::Field => Ok(Outcome::Good),
        }
    }

    /// A piece on one line.
    fn line(&self, out: &mut impl Sink, index: usize) -> fmt::Result {
        let piece = self.at(index);
        out.text(|out| match piece.kind {
            Kind::Pair => {
                let key = self.at(index + 1);
                write::term(out, self.style, self.context, key.node)?;
                out.write_str(" => ")?;
                write::term(out, self.style, self.context, self.at(key.end).node)
            }
            Kind::Field => {
                write::field_name(out, self.style, self.context, piece.node)?;
                write::term(out, self.style, self.context, self.at(index + 1).node)
            }
            _ => write::term(out, self.style, self.context, piece.node),
        })
    }

    /// The first child of a container, to be followed by the others.
    fn first<S: Sink>(
        &self,
        stack: &mut Vec<Frame>,
        child: usize,
        container: Piece,
        place: Place,
    ) -> Result<Outcome, fmt::Error> {
        let next = self.at(child).end;
        let inside = Place {
            closing: self.closing(container.kind, next, container.end, place.closing),
            ..place
        };
        let width = self.child_width(child, inside);
        // Counted like this by io_lib_pretty: what the first pair of a map was put after is forgotten, except when trying.
        let used =
            if container.kind == Kind::Map && !S::TRIAL { width } else { place.used + width };
        let after = Place { column: place.column + width, used, ..place };
        stack.push(Frame::Tail(Tail {
            next,
            end: container.end,
            kind: container.kind,
            start: place.column,
            place: after,
        }));
        stack.push(Frame::Child(child, inside));
        Ok(Outcome::Good)
    }

    /// The children after the first: as many on this line as fit, then one on a line of its own.
    fn tail<S: Sink>(
        &self,
        out: &mut S,
        stack: &mut Vec<Frame>,
        mut tail: Tail,
    ) -> Result<Outcome, fmt::Error> {
        while tail.next < tail.end {
            let index = tail.next;
            let piece = self.at(index);
            let place = tail.place;
            tail.next = piece.end;
            if tail.kind == Kind::ImproperList && tail.next == tail.end {
                return self.improper(out, stack, index, tail);
            }
            let closing = self.closing(tail.kind, tail.next, tail.end, place.closing);
            let length = piece.length + 1;
            let room = closing.max(1);
            // The last one before brackets needs room for them, any other for a comma.
            let fits = if closing == 0 {
                length + room < self.width - place.column
                    && place.used + length + room <= self.longest
            } else {
                length < self.width - place.column - closing
                    && place.used + length + closing <= self.longest
            };
            if fits && self.is_simple(index) {
                out.text(|out| out.write_char(','))?;
                self.line(out, index)?;
                tail.place.column += length;
                tail.place.used += length;
                continue;
            }
            out.text(|out| out.write_char(','))?;
            self.new_line(out, place)?;
            let fresh = Place { column: tail.start, closing, used: 0, ..place };
            let width = self.child_width(index, fresh);
            // Trying, io_lib_pretty lets the fields of a record drift to the right.
            let from =
                if tail.kind == Kind::Record && S::TRIAL { place.column } else { tail.start };
            tail.place = Place { column: from + width, used: width, ..place };
            stack.push(Frame::Tail(tail));
            stack.push(Frame::Child(index, fresh));
            break;
        }
        Ok(Outcome::Good)
    }

    /// The tail of an improper list.
    fn improper<S: Sink>(
        &self,
        out: &mut S,
        stack: &mut Vec<Frame>,
        index: usize,
        tail: Tail,
    ) -> Result<Outcome, fmt::Error> {
        let place = tail.place;
        let closing = place.closing + 1;
        let length = self.at(index).length + 1;
        let fits = length < self.width - place.column - closing
            && length + place.used + closing <= self.longest;
        if fits && self.is_simple(index) {
            out.text(|out| out.write_char('|'))?;
            self.line(out, index)?;
            return Ok(Outcome::Good);
        }
        out.text(|out| out.write_char('|'))?;
        self.new_line(out, place)?;
        let column = if S::TRIAL { place.column } else { tail.start };
        self.piece(out, stack, index, Place { column, closing, used: 0, ..place })
    }

    /// How many closing brackets follow a child: none if another child does.
    fn closing(&self, kind: Kind, next: usize, end: usize, closing: i64) -> i64 {
        let last = next >= end || kind == Kind::ImproperList && self.at(next).end >= end;
        if last { closing + 1 } else { 0 }
    }

    /// Whether text may follow this child on its line: it has no brackets that could have been broken.
    fn is_simple(&self, index: usize) -> bool {
        match self.at(index).kind {
            Kind::Whole => true,
            Kind::Pair => self.is_whole(index + 1) && self.is_whole(self.at(index + 1).end),
            Kind::Field => self.is_whole(index + 1),
            _ => false,
        }
    }

    fn is_whole(&self, index: usize) -> bool {
        self.at(index).kind == Kind::Whole
    }

    /// What a child takes of its line: all of it, unless it is simple and fits.
    fn child_width(&self, index: usize, place: Place) -> i64 {
        let length = self.at(index).length;
        if self.fits(length, place) && self.is_simple(index) { length } else { self.width }
    }

    /// A child of any container.
    fn child<S: Sink>(
        &self,
        out: &mut S,
        stack: &mut Vec<Frame>,
        index: usize,
        place: Place,
    ) -> Result<Outcome, fmt::Error> {
        let piece = self.at(index);
        match piece.kind {
            Kind::Pair | Kind::Field if self.fits(piece.length, place) => {
                self.line(out, index).map(|()| Outcome::Good)
            }
            Kind::Pair => {
                let step = if self.step > 0 { self.step } else { 4 };
                let value = Place {
                    column: place.column + step,
                    indent: place.indent + step,
                    used: 0,
                    ..place
                };
                stack.push(Frame::Value(self.at(index + 1).end, value));
                self.piece(out, stack, index + 1, place)
            }
            Kind::Field => {
                let name = piece.length - self.at(index + 1).length;
                let below = Place { used: place.used + name, ..place };
                let Some((inside, breaks)) = self.below::<S>(name, below) else {
                    return Ok(Outcome::TooFar);
                };
                out.text(|out| {
                    write::atom(out, self.style, self.context, piece.node)?;
                    out.write_str(if breaks { " =" } else { " = " })
                })?;
                if breaks {
                    self.new_line(out, inside)?;
                }
                self.piece(out, stack, index + 1, inside)
            }
            _ => self.piece(out, stack, index, place),
        }
    }

    /// A tuple that begins with an atom: the rest is indented below the tag.
    fn tagged<S: Sink>(
        &self,
        out: &mut S,
        stack: &mut Vec<Frame>,
        index: usize,
        place: Place,
    ) -> Result<Outcome, fmt::Error> {
        let tuple = self.at(index);
        let tag = self.at(index + 1);
        let below = tag.length + 2;
        self.line(out, index + 1)?;
        let column = place.column + below;
        if self.step > 0 && below > self.step {
            let start = place.column + self.step;
            if S::TRIAL && !(self.longest + start <= self.width || start <= self.width / 2) {
                return Ok(Outcome::TooFar);
            }
            let place = Place {
                column,
                indent: place.indent + self.step,
                used: place.used + tag.length,
                ..place
            };
            stack.push(Frame::Tail(Tail {
                next: tag.end,
                end: tuple.end,
                kind: Kind::Tuple,
                start,
                place,
            }));
            return Ok(Outcome::Good);
        }
        if S::TRIAL && !(self.longest + column < self.width || column < self.width / 2) {
            return Ok(Outcome::TooFar);
        }
        out.text(|out| out.write_char(','))?;
        let place = Place {
            column,
            indent: place.indent + below,
            used: place.used + tag.length + 1,
            ..place
        };
        self.first::<S>(stack, tag.end, Piece { kind: Kind::Tuple, ..tuple }, place)
    }

    /// A native record: its fields are indented below its name.
    fn record<S: Sink>(
        &self,
        out: &mut S,
        stack: &mut Vec<Frame>,
        index: usize,
        place: Place,
    ) -> Result<Outcome, fmt::Error> {
        let piece = self.at(index);
        let record = Record::new(piece.node);
        let name = pieces::count(|out| write::record_name(out, self.style, self.context, record))?;
        out.text(|out| {
            write::record_name(out, self.style, self.context, record)?;
            out.write_char('{')
        })?;
        stack.push(Frame::Close("}"));
        if record.fields() == 0 {
            return Ok(Outcome::Good);
        }
        let below = Place { used: place.used + name + 1, ..place };
        let Some((place, breaks)) = self.below::<S>(name + 1, below) else {
            return Ok(Outcome::TooFar);
        };
        if breaks {
            self.new_line(out, place)?;
        }
        self.first::<S>(stack, index + 1, piece, place)
    }

    /// Where something stands below a name of this length, and whether on a line of its own; nothing if that is too far.
    fn below<S: Sink>(&self, name: i64, place: Place) -> Option<(Place, bool)> {
        let breaks = self.step > 0 && name > self.step;
        let by = if breaks { self.step } else { name };
        let column = place.column + by;
        if S::TRIAL && !(self.longest + column <= self.width || column <= self.width / 2) {
            return None;
        }
        let used = if breaks { 0 } else { place.used };
        Some((Place { column, indent: place.indent + by, used, ..place }, breaks))
    }

    /// The bytes of a binary, as many on a line as fit, but at least eight characters.
    fn bytes(&self, out: &mut impl Sink, node: Node, place: Place) -> fmt::Result {
        let room =
            (self.width - place.column - 2).min(self.longest - 4 - place.used) - place.closing;
        let room = room.max(8);
        let indent = place.indent + 2;
        out.text(|out| {
            out.write_str("<<")?;
            let mut left = room;
            let mut segments = Segments::new(self.context, node);
            while let Some(segment) = segments.next() {
                let last = segments.len() == 0;
                let text = segment.to_string();
                let length = text.len() as i64 + i64::from(!last);
                if length > left {
                    indented_line(out, indent)?;
                    left = room;
                }
                left -= length;
                out.write_str(&text)?;
                if !last {
                    out.write_char(',')?;
                }
            }
            out.write_str(">>")
        })
    }
}

/// A line end and blanks. Not as a width of `write!`, which takes 65,535 at most: terms are nested deeper than that.
fn indented_line(out: &mut dyn Write, indent: i64) -> fmt::Result {
    const BLANKS: &str = "                                                                ";
    out.write_char('\n')?;
    let mut left = usize::try_from(indent).unwrap_or(0);
    while left > 0 {
        let now = left.min(BLANKS.len());
        out.write_str(BLANKS.get(..now).unwrap_or_default())?;
        left -= now;
    }
    Ok(())
}
