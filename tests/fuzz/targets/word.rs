//! Texts that stand for one thing: scopes, ids, dates, months, times, id numbers, credit codes, phones, names, keys.
//!
//! Laws: what reads is written in one form that reads as the same; normal forms are fixed points; nothing shows more than it
//! should.

use chrono::NaiveDate;
use lastmile_model::civil::{self, Month};
use lastmile_model::idnumber::IdNumber;
use lastmile_model::input::{half_width, read_date, read_month, read_time};
use lastmile_model::{AuthorId, ChainHash, Key, Places, RecordId, Scope, keys, names, phone, places, uscc};
use rand::Rng;
use rand::seq::IndexedRandom;

use crate::mutate::{self, Random};
use crate::{cost, tally};

/// The day on which everything is typed.
pub const TODAY: NaiveDate = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();

/// Reads a text as everything that it may be.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    cost::of(|| ids(&text));
    cost::of(|| dates(&text));
    cost::of(|| numbers(&text));
    cost::of(|| spelled(&text));
}

fn ids(text: &str) {
    if let Ok(scope) = text.parse::<Scope>() {
        assert_eq!(scope.to_string(), text);
        tally::note("a scope");
    }
    if let Ok(author) = text.parse::<AuthorId>() {
        assert_eq!(author.to_string().parse(), Ok(author));
        tally::note("an author");
    }
    if let Ok(chain) = text.parse::<ChainHash>() {
        assert_eq!(chain.to_string().parse(), Ok(chain));
    }
    if let Ok(record) = text.parse::<RecordId>() {
        assert_eq!(record.to_string().parse::<RecordId>().unwrap(), record);
        assert_eq!(keys::element_reference(&keys::reference_element(record)), Some(record));
    }
    match Key::parse(text) {
        Some(Key::Event(id, part)) => {
            assert_eq!(keys::event(id, part), text);
            tally::note("an event's key");
        }
        Some(Key::Element(field, element)) => assert_eq!(keys::element(field, element), text),
        Some(Key::Field(field)) => assert_eq!(field, text),
        None => assert!(text.starts_with("ev/")),
    }
    if places::is_code(text) {
        tally::note("a place's code");
        assert!(text.bytes().all(|byte| byte.is_ascii_digit()));
    }
    let table = Places::changsha();
    let _ = (table.can_be(text), table.path(text).len(), table.path_name(text), table.beneath(text).len());
}

fn dates(text: &str) {
    if let Some(date) = civil::parse_date(text) {
        assert_eq!(civil::date_text(date), text);
        tally::note("a date");
    }
    if let Some(month) = Month::parse(text) {
        assert_eq!(month.text(), text);
    }
    if let Some(minutes) = civil::parse_time(text) {
        assert_eq!(civil::time_text(minutes), text);
    }
    if let Some(date) = read_date(text, TODAY) {
        assert_eq!(read_date(&civil::date_text(date), TODAY), Some(date));
        tally::note("a typed date");
    }
    if let Some(month) = read_month(text, TODAY) {
        assert_eq!(read_month(&month.text(), TODAY), Some(month));
    }
    if let Some(minutes) = read_time(text) {
        assert_eq!(read_time(&civil::time_text(minutes)), Some(minutes));
    }
    if let Some(day) = lastmile_report::day::Day::parse(text)
        && let Some(date) = civil::parse_date(text)
    {
        assert_eq!(day.date(), date);
    }
}

fn numbers(text: &str) {
    if let Ok(number) = IdNumber::parse(text, TODAY) {
        assert_eq!(number.reveal(), text.to_ascii_uppercase());
        assert!(number.birth_date().is_some_and(|date| date <= TODAY));
        let shown = format!("{number:?} {number}");
        assert!(!shown.contains(&number.reveal()[6..14]), "an id number shows its date of birth");
        tally::note("an id number");
    }
    if uscc::check(text).is_ok() {
        assert_eq!(uscc::check_character(&text.as_bytes()[..17]), Some(text.as_bytes()[17]));
        tally::note("a credit code");
    }
    if let Some(normal) = phone::normal(text) {
        assert_eq!(phone::normal(&normal).as_deref(), Some(normal.as_str()));
        assert!(phone::is_normal(&normal), "{normal}");
        assert!(phone::last4(&normal).is_some());
        tally::note("a phone");
    }
    let _ = (names::mask_phone(text), names::mask_id(text));
}

fn spelled(text: &str) {
    let short: String = text.chars().take(300).collect();
    let normal = names::normal(&short);
    assert_eq!(names::normal(&normal), normal, "a normal form is not a fixed point");
    let _ = (names::initials(&short).len(), names::search_keys(&short), names::search_text(&short));
    let masked = names::mask(&short);
    assert!(masked.chars().count() <= short.chars().count().max(3), "{masked}");
    assert_eq!(half_width(&half_width(&short)), half_width(&short));
    let _ = (names::simplified(&short), names::without_pinyin(&short));
}

/// One of each.
pub fn seeds() -> Vec<Vec<u8>> {
    const TEXTS: [&str; 26] = [
        "community:430103005010",
        "city:4301",
        "3b917702ee419ad8556c13c48ef02ab7",
        "0193d5f0-0000-7000-8000-000000000001",
        "ev/0193d5f000007000800000000000000a/kind",
        "tags/环保",
        "430103005010",
        "2026-03-05",
        "２０２６年３月５日",
        "3月5日",
        "昨天",
        "2025/2/30",
        "1980-05",
        "1980年5月",
        "09:30",
        "下午3点半",
        "24:00",
        "990101198001010013",
        "11010519491231002X",
        "91350100M000100Y43",
        "13800138000",
        "+86 138 0013 8000",
        "（0731）8444-1234",
        "张伟（Zhāng Wěi）",
        "單小明",
        "欧阳 · 娜娜",
    ];
    TEXTS.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Mutates characters; id numbers and credit codes get their check character put right.
pub fn mutate(data: &[u8], rng: &mut Random) -> Vec<u8> {
    let mut text: Vec<char> = String::from_utf8_lossy(data).chars().collect();
    let at = rng.random_range(0..=text.len());
    match rng.random_range(0..6) {
        0 => text.extend(mutate::text(rng).chars()),
        1 => drop(text.splice(at..at, mutate::text(rng).chars()).count()),
        2 if at < text.len() => {
            text[at] = *['0', '9', '5', '－', '０', 'X', 'x', ' ', '年', '\u{301}', 'İ', 'ß', 'Σ'].choose(rng).unwrap()
        }
        3 if at < text.len() => drop(text.remove(at)),
        4 if at < text.len() => text[at] = char::from_digit(rng.random_range(0..10), 10).unwrap(),
        _ => {
            let mut bytes = data.to_vec();
            mutate::bytes(&mut bytes, rng);
            return bytes;
        }
    }
    let mut bytes = text.into_iter().collect::<String>().into_bytes();
    if bytes.len() == 18 {
        let check =
            lastmile_model::idnumber::check_character(&bytes[..17]).or_else(|| uscc::check_character(&bytes[..17]));
        bytes[17] = check.unwrap_or(bytes[17]);
    }
    bytes
}
