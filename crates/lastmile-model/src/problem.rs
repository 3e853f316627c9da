//! What is wrong with an entry: the record, the field, what is expected and how to cure it, never what was typed.

use std::fmt;

use crate::catalogue::{Choice, Field, RecordType};
use crate::idnumber::IdNumberFault;
use crate::uscc::UsccFault;

/// One thing wrong with an entry.
///
/// It carries no value, so that it may be logged, shown and sent. `Display` is the English text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The record type's name.
    pub record_type: String,
    /// The field's name; empty when the record as a whole is meant.
    pub field: String,
    /// The words for the record type and the field.
    pub place: Box<Words>,
    /// What is wrong.
    pub fault: Fault,
}

/// The same words in both languages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// In zh-CN.
    pub zh: String,
    /// In English.
    pub en: String,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A required field has no value.
    Missing,
    /// The record type has no such field.
    UnknownField,
    /// The field cannot change once it is written.
    Immutable,
    /// The field follows from others and is never written.
    Computed,
    /// Only the office writes this.
    OfficeOnly,
    /// The field holds several values, to be added and removed one by one.
    IsSet,
    /// The field holds one value.
    NotSet,
    /// The value is of another type than the field.
    WrongType {
        /// The field's kind, as record files name it.
        expected: &'static str,
    },
    /// The text is empty.
    Empty,
    /// The text is too long.
    TooLong {
        /// The most characters.
        max: usize,
    },
    /// The text holds control characters or marks that turn its direction.
    ControlCharacters,
    /// A name without a letter.
    NoName,
    /// Not a real date.
    BadDate,
    /// Not a real month.
    BadMonth,
    /// Not a time of day.
    BadTime,
    /// After today.
    InFuture,
    /// Before the field that it may not precede.
    TooEarly {
        /// The words for the other field.
        other: Box<Words>,
    },
    /// Not a whole number.
    BadInt,
    /// Outside its bounds.
    OutOfRange {
        /// The lowest.
        min: i64,
        /// The highest.
        max: i64,
    },
    /// Not yes or no.
    BadBool,
    /// Not a decimal number of at most three places.
    BadDecimal,
    /// None of the choices.
    NotAChoice {
        /// The choices.
        choices: Vec<Choice>,
    },
    /// Not the id of a record.
    BadReference,
    /// Not bytes of the right length, or not their hexadecimal form.
    BadBytes {
        /// The most bytes.
        max: usize,
    },
    /// Not the shape of a place code.
    BadPlace,
    /// A place code that is not in the table of places.
    UnknownPlace,
    /// Another place or kind of scope than the one that holds the record.
    WrongScope,
    /// Not a phone number.
    BadPhone,
    /// Not a citizen id number.
    BadIdNumber(IdNumberFault),
    /// Not a unified social credit code.
    BadUscc(UsccFault),
    /// A value that may only be written sealed to the office.
    NotSealed,
    /// A kind of event that the record does not have.
    UnknownEvent,
    /// A part that this kind of event does not have.
    UnknownPart,
    /// A part that this kind of event needs.
    MissingPart {
        /// The part.
        part: String,
    },
    /// A key of another shape.
    BadKey,
    /// The same key twice.
    Twice,
    /// More values than one save may hold.
    TooMany {
        /// The most values.
        max: usize,
    },
    /// More bytes than one save may hold.
    TooLarge {
        /// The most bytes.
        max: usize,
    },
}

impl Problem {
    /// Builds a problem of one field.
    #[must_use]
    pub fn of_field(record_type: &RecordType, field: &Field, fault: Fault) -> Self {
        Self {
            record_type: record_type.name.clone(),
            field: field.name.clone(),
            place: Box::new(Words {
                zh: format!("{}·{}", record_type.label_zh, field.label_zh),
                en: format!("{}, {}", record_type.label_en, field.label_en.to_lowercase()),
            }),
            fault,
        }
    }

    /// Builds a problem of a name that is no field, or of a key of another shape.
    #[must_use]
    pub fn of_name(record_type: &RecordType, name: &str, fault: Fault) -> Self {
        // What was typed for a field's name may be anything; only what looks like a name is repeated.
        let plain = name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let name = if plain { name } else { "?" };
        Self {
            record_type: record_type.name.clone(),
            field: name.to_owned(),
            place: Box::new(Words {
                zh: format!("{}·{name}", record_type.label_zh),
                en: format!("{}, {name}", record_type.label_en),
            }),
            fault,
        }
    }

    /// Builds a problem of the record as a whole.
    #[must_use]
    pub fn of_record(record_type: &RecordType, fault: Fault) -> Self {
        Self {
            record_type: record_type.name.clone(),
            field: String::new(),
            place: Box::new(Words { zh: record_type.label_zh.clone(), en: record_type.label_en.clone() }),
            fault,
        }
    }

    /// Returns the stable code of what is wrong, e.g. `in-future`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.fault.code()
    }

    /// Returns the text in zh-CN.
    #[must_use]
    pub fn zh(&self) -> String {
        format!("{}：{}", self.place.zh, self.fault.zh())
    }

    /// Returns the text in English.
    #[must_use]
    pub fn en(&self) -> String {
        format!("{}: {}", self.place.en, self.fault.en())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.en())
    }
}

impl std::error::Error for Problem {}

impl Fault {
    /// Returns the stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::UnknownField => "unknown-field",
            Self::Immutable => "immutable",
            Self::Computed => "computed",
            Self::OfficeOnly => "office-only",
            Self::IsSet => "is-set",
            Self::NotSet => "not-set",
            Self::WrongType { .. } => "wrong-type",
            Self::Empty => "empty",
            Self::TooLong { .. } => "too-long",
            Self::ControlCharacters => "control-characters",
            Self::NoName => "no-name",
            Self::BadDate => "bad-date",
            Self::BadMonth => "bad-month",
            Self::BadTime => "bad-time",
            Self::InFuture => "in-future",
            Self::TooEarly { .. } => "too-early",
            Self::BadInt => "bad-int",
            Self::OutOfRange { .. } => "out-of-range",
            Self::BadBool => "bad-bool",
            Self::BadDecimal => "bad-decimal",
            Self::NotAChoice { .. } => "not-a-choice",
            Self::BadReference => "bad-reference",
            Self::BadBytes { .. } => "bad-bytes",
            Self::BadPlace => "bad-place",
            Self::UnknownPlace => "unknown-place",
            Self::WrongScope => "wrong-scope",
            Self::BadPhone => "bad-phone",
            Self::BadIdNumber(_) => "bad-id-number",
            Self::BadUscc(_) => "bad-uscc",
            Self::NotSealed => "not-sealed",
            Self::UnknownEvent => "unknown-event",
            Self::UnknownPart => "unknown-part",
            Self::MissingPart { .. } => "missing-part",
            Self::BadKey => "bad-key",
            Self::Twice => "twice",
            Self::TooMany { .. } => "too-many",
            Self::TooLarge { .. } => "too-large",
        }
    }

    /// Returns what is expected and the cure, in zh-CN.
    #[must_use]
    pub fn zh(&self) -> String {
        let fixed = match self {
            Self::Missing => "必填，请填写",
            Self::UnknownField => "没有这个字段，请核对字段名",
            Self::Immutable => "写入后不能修改；如有错误，请另建一条并说明",
            Self::Computed => "由系统计算，不能填写",
            Self::OfficeOnly => "只能由市级办公室填写",
            Self::IsSet => "可有多个值，请逐个添加或移除",
            Self::NotSet => "只有一个值，请直接填写",
            Self::WrongType { .. } => "值的类型不对",
            Self::Empty => "不能为空；要清除请移除该项",
            Self::ControlCharacters => "含有控制字符或改变文字方向的符号，请删去后重填",
            Self::NoName => "应含有文字，请填写姓名或名称",
            Self::BadDate => "应为真实的日期，写作 2026-03-05 或 2026年3月5日",
            Self::BadMonth => "应为真实的年月，写作 1980-05 或 1980年5月",
            Self::BadTime => "应为一天中的时间，写作 09:30",
            Self::InFuture => "不能晚于今天，请核对",
            Self::BadInt => "应为整数，请只填数字",
            Self::BadBool => "请填 是 或 否",
            Self::BadDecimal => "应为数字，小数最多三位，写作 12.5",
            Self::BadReference => "应为一条记录的编号（32 位十六进制，可带连字符）",
            Self::BadPlace => "应为 4、6、9、12 或 15 位数字的区划代码",
            Self::UnknownPlace => "区划代码表中没有这个代码，请核对",
            Self::WrongScope => "与所在范围不符，请在该范围内填写",
            Self::BadPhone => "应为 11 位手机号，或带区号的固定电话如 0731-84441234",
            Self::BadIdNumber(fault) => id_number_zh(*fault),
            Self::BadUscc(UsccFault::Shape) => "应为 18 位数字和大写字母，不含 I、O、S、V、Z",
            Self::BadUscc(UsccFault::Check) => "校验位不符，请对照证件逐位核对",
            Self::NotSealed => "只能加密给市级办公室后保存",
            Self::UnknownEvent => "没有这种操作，请核对",
            Self::UnknownPart => "这种操作没有这一项",
            Self::BadKey => "键的格式不对",
            Self::Twice => "同一项给了两次，请只留一次",
            Self::TooLong { max } => return format!("最多 {max} 个字，请缩短"),
            Self::OutOfRange { min, max } if *max == i64::MAX => return format!("应不小于 {min}"),
            Self::OutOfRange { min, max } => return format!("应在 {min} 到 {max} 之间"),
            Self::TooEarly { other } => return format!("应晚于“{}”，请核对两项", other.zh),
            Self::NotAChoice { choices } => {
                let listed = choices.iter().map(|c| format!("{}（{}）", c.zh, c.code)).collect::<Vec<_>>();
                return format!("请从以下各项中选择：{}", listed.join("、"));
            }
            Self::BadBytes { max } => return format!("应为不超过 {max} 字节的数据"),
            Self::MissingPart { part } => return format!("缺少 {part}，请补上"),
            Self::TooMany { max } => return format!("一次最多保存 {max} 个值，请分几次保存"),
            Self::TooLarge { max } => return format!("一次最多保存 {max} 字节，请缩短或分几次保存"),
        };
        fixed.to_owned()
    }

    /// Returns what is expected and the cure, in English.
    #[must_use]
    pub fn en(&self) -> String {
        let fixed = match self {
            Self::Missing => "required; please fill it in",
            Self::UnknownField => "there is no such field; check its name",
            Self::Immutable => "cannot change once written; if it is wrong, make a new record and say why",
            Self::Computed => "follows from other fields and cannot be written",
            Self::OfficeOnly => "only the office writes this",
            Self::IsSet => "holds several values; add or remove them one by one",
            Self::NotSet => "holds one value; set it",
            Self::WrongType { expected } => return format!("expected a value of type {expected}"),
            Self::Empty => "cannot be empty; remove it to clear it",
            Self::ControlCharacters => "holds control characters or marks that turn the text; delete them",
            Self::NoName => "expected a name with letters",
            Self::BadDate => "expected a real date, written 2026-03-05",
            Self::BadMonth => "expected a real month, written 1980-05",
            Self::BadTime => "expected a time of day, written 09:30",
            Self::InFuture => "cannot lie after today; check it",
            Self::BadInt => "expected a whole number, digits only",
            Self::BadBool => "expected yes or no",
            Self::BadDecimal => "expected a number of at most three decimal places, written 12.5",
            Self::BadReference => "expected the id of a record: 32 hexadecimal digits, with or without hyphens",
            Self::BadPlace => "expected a place code of 4, 6, 9, 12 or 15 digits",
            Self::UnknownPlace => "this code is not in the table of places; check it",
            Self::WrongScope => "does not belong to this scope; enter it in its own",
            Self::BadPhone => "expected an 11-digit mobile number, or a landline with area code, written 0731-84441234",
            Self::BadIdNumber(fault) => id_number_en(*fault),
            Self::BadUscc(UsccFault::Shape) => "expected 18 digits and capital letters without I, O, S, V, Z",
            Self::BadUscc(UsccFault::Check) => "the check character does not fit; compare it with the document",
            Self::NotSealed => "can only be kept sealed to the office",
            Self::UnknownEvent => "there is no such step for this record; check its name",
            Self::UnknownPart => "this step has no such part",
            Self::BadKey => "a key of another shape",
            Self::Twice => "given twice; leave one",
            Self::TooLong { max } => return format!("at most {max} characters; shorten it"),
            Self::OutOfRange { min, max } if *max == i64::MAX => return format!("expected at least {min}"),
            Self::OutOfRange { min, max } => return format!("expected {min} to {max}"),
            Self::TooEarly { other } => return format!("expected after \"{}\"; check both", other.en.to_lowercase()),
            Self::NotAChoice { choices } => {
                let listed = choices.iter().map(|c| format!("{} ({})", c.code, c.en)).collect::<Vec<_>>();
                return format!("expected one of: {}", listed.join(", "));
            }
            Self::BadBytes { max } => return format!("expected at most {max} bytes"),
            Self::MissingPart { part } => return format!("`{part}` is missing; add it"),
            Self::TooMany { max } => return format!("at most {max} values at once; save in parts"),
            Self::TooLarge { max } => return format!("at most {max} bytes at once; shorten it or save in parts"),
        };
        fixed.to_owned()
    }
}

const fn id_number_zh(fault: IdNumberFault) -> &'static str {
    match fault {
        IdNumberFault::Old => "这是 15 位旧号码，请填写 18 位号码",
        IdNumberFault::Shape => "应为 18 位：17 位数字加一位数字或 X",
        IdNumberFault::Region => "前两位不是省级代码，请对照证件核对",
        IdNumberFault::Birth => "第 7 至 14 位不是可能的出生日期，请对照证件核对",
        IdNumberFault::Check => "校验位不符，请对照证件逐位核对",
    }
}

const fn id_number_en(fault: IdNumberFault) -> &'static str {
    match fault {
        IdNumberFault::Old => "this is the 15-digit number of before 1999; enter the one of 18",
        IdNumberFault::Shape => "expected 18 characters: 17 digits, then a digit or X",
        IdNumberFault::Region => "the first two digits name no province; compare it with the document",
        IdNumberFault::Birth => "digits 7 to 14 are no possible date of birth; compare it with the document",
        IdNumberFault::Check => "the check character does not fit; compare it with the document",
    }
}
