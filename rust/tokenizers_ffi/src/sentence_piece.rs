//! SentencePiece's model file: the pieces and the normalizer of a ModelProto (sentencepiece_model.proto), read without the
//! rest of it.

use crate::status::Failure;

/// What a piece is, as in ModelProto.SentencePiece.Type.
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;
/// Of TrainerSpec.ModelType.
const UNIGRAM: u64 = 1;

pub struct Piece {
    pub text: String,
    pub score: f32,
    kind: u64,
}

impl Piece {
    /// Added to the tokenizer as a token of its own.
    pub fn is_added(&self) -> bool {
        self.kind == CONTROL || self.kind == USER_DEFINED
    }

    pub fn is_control(&self) -> bool {
        self.kind == CONTROL
    }
}

pub struct Model {
    pub pieces: Vec<Piece>,
    pub charsmap: Vec<u8>,
    pub is_unigram: bool,
}

/// The value of a field: a number (fixed32 too) or bytes.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message in order; every length is checked against what is left.
struct Message<'a> {
    rest: &'a [u8],
}

impl<'a> Message<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    /// The next field's number and value; `Ok(None)` at the end.
    fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, ()> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint().ok_or(())?;
        let value = match tag & 7 {
            0 => self.varint().map(Field::Number),
            1 => self.take(8).map(|_| Field::Number(0)),
            2 => {
                let length = self
                    .varint()
                    .and_then(|length| usize::try_from(length).ok());
                length
                    .and_then(|length| self.take(length))
                    .map(Field::Bytes)
            }
            5 => {
                let bytes = self.take(4).and_then(|bytes| bytes.try_into().ok());
                bytes.map(|bytes| Field::Number(u64::from(u32::from_le_bytes(bytes))))
            }
            _ => None,
        };
        Ok(Some((tag >> 3, value.ok_or(())?)))
    }
}

fn read_piece(bytes: &[u8]) -> Result<Piece, ()> {
    let mut message = Message { rest: bytes };
    let mut piece = Piece {
        text: String::new(),
        score: 0.0,
        kind: 1,
    };
    while let Some((number, field)) = message.next()? {
        match (number, field) {
            (1, Field::Bytes(text)) => {
                piece.text = std::str::from_utf8(text).map_err(|_| ())?.to_owned();
            }
            (2, Field::Number(bits)) => {
                piece.score = f32::from_bits(u32::try_from(bits).map_err(|_| ())?);
            }
            (3, Field::Number(kind)) => piece.kind = kind,
            _ => {}
        }
    }
    Ok(piece)
}

fn read_model(bytes: &[u8]) -> Result<Model, ()> {
    let mut message = Message { rest: bytes };
    let mut model = Model {
        pieces: Vec::new(),
        charsmap: Vec::new(),
        is_unigram: true,
    };
    while let Some((number, field)) = message.next()? {
        match (number, field) {
            (1, Field::Bytes(piece)) => model.pieces.push(read_piece(piece)?),
            (2, Field::Bytes(trainer)) => {
                let mut trainer = Message { rest: trainer };
                while let Some((number, field)) = trainer.next()? {
                    if let (3, Field::Number(kind)) = (number, field) {
                        model.is_unigram = kind == UNIGRAM;
                    }
                }
            }
            (3, Field::Bytes(normalizer)) => {
                let mut normalizer = Message { rest: normalizer };
                while let Some((number, field)) = normalizer.next()? {
                    if let (2, Field::Bytes(charsmap)) = (number, field) {
                        model.charsmap = charsmap.to_vec();
                    }
                }
            }
            _ => {}
        }
    }
    Ok(model)
}

/// `name` is the file's, for messages.
pub fn read(bytes: &[u8], name: &str) -> Result<Model, Failure> {
    let model = read_model(bytes).map_err(|()| {
        Failure::settings(format!(
            "{name}: not a SentencePiece model, or a damaged one"
        ))
    })?;
    if model.pieces.iter().any(|piece| !piece.score.is_finite()) {
        return Err(Failure::settings(format!(
            "{name}: a piece has no finite score"
        )));
    }
    if !model.is_unigram || model.pieces.is_empty() {
        return Err(Failure::unsupported(format!(
            "{name}: not a Unigram model, which this tokenizer class needs; make tokenizer.json once with Python: \
             transformers.AutoTokenizer.from_pretrained(…).save_pretrained(…)"
        )));
    }
    Ok(model)
}
