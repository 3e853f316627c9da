//! Search: the index of an engine agrees with what a phrase says of words.

use lastmile_store::query::{Query, Test};
use lastmile_store::search::{SearchPhrase, words};
use lastmile_store::storage::Storage;

use crate::engines::{NONE, ids, insert_found, text, type_no, write};

over_every_engine!(
    phrases_find_what_they_say,
    a_search_is_narrowed_like_any_query,
    what_is_not_searchable_is_not_found,
);

/// Names with the initials they are found by.
const HELD: [(&str, &str); 12] = [
    ("张伟 13800135678 5678", "zw"),
    ("张伟伟 社区志愿者", "zww"),
    ("伟张", "wz"),
    ("Zhang Wei", ""),
    ("O'Neill \"Quote\" AND (x)", "oneill"),
    ("José Müller", "jm"),
    ("jose muller", ""),
    ("𠮷田 々 〇 龘", "jt"),
    ("", "zw"),
    ("党员 3号楼201室", "dy"),
    ("欧阳 ABC中文def", "oy zw"),
    ("Ⅳ ① Ω Straße İ", ""),
];

const PHRASES: [&str; 40] = [
    "张",
    "张伟",
    "伟",
    "伟伟",
    "伟张",
    "张 伟",
    "zw",
    "z",
    "ZW",
    "zww",
    "w",
    "138",
    "5678",
    "13800135678",
    "0013",
    "zhang",
    "zhang w",
    "wei zhang",
    "Zhang Wei",
    "o neill",
    "o'neill",
    "\"quote\"",
    "and",
    "quote and x",
    "NOT",
    "josé",
    "jose",
    "MÜLLER",
    "muller",
    "𠮷",
    "𠮷田",
    "々",
    "〇",
    "龘",
    "3号楼",
    "楼201",
    "abc中",
    "中文d",
    "ⅳ",
    "straße",
];

fn searching(phrase: &str) -> Query {
    let mut query = Query::new(type_no("person"), &[]);
    query.find = Some(phrase.to_owned());
    query
}

fn fill(storage: &mut dyn Storage) {
    write(storage, |storage| {
        for (id, (name, initials)) in (1_u8..).zip(HELD) {
            let given = [("name", text(name)), ("job", text(if id % 2 == 0 { "even" } else { "odd" }))];
            assert!(insert_found(storage, 1, "person", id, &given, Some((&words(name), initials))));
        }
        Ok(())
    });
}

fn phrases_find_what_they_say(storage: &mut dyn Storage) {
    fill(storage);
    for phrase in PHRASES.into_iter().chain(["", " ", "*", "\"", "()", "words:x", "-", "张*", "zw zw", "伟 z"]) {
        let sought = SearchPhrase::new(phrase);
        let held = (1_u8..).zip(HELD).filter(|(_, (name, initials))| sought.finds(&words(name), initials));
        let expected: Vec<u8> = held.map(|(id, _)| id).collect();
        assert_eq!(ids(storage, &searching(phrase)), expected, "{phrase:?}");
    }
    assert_eq!(ids(storage, &searching("张伟")), [1, 2]);
    assert_eq!(ids(storage, &searching("zw")), [1, 2, 9, 11]);
    assert_eq!(ids(storage, &searching("5678")), [1]);
    assert_eq!(ids(storage, &searching("")), NONE);
}

fn a_search_is_narrowed_like_any_query(storage: &mut dyn Storage) {
    fill(storage);
    write(storage, |storage| Ok(insert_found(storage, 2, "person", 99, &[], Some(("张 伟", "zw")))));
    let odd = searching("伟").filter("job", Test::Is, text("odd"));
    assert_eq!(ids(storage, &odd), [1, 3]);
    assert_eq!(ids(storage, &searching("伟").within(vec![2])), [99]);
    assert_eq!(ids(storage, &searching("伟").within(vec![2, 1])), [1, 2, 3, 99]);
    assert_eq!(ids(storage, &searching("伟").order_by("name", true)), [2, 1, 3, 99]);
    let mut page = searching("伟");
    (page.limit, page.offset) = (Some(2), 1);
    assert_eq!(ids(storage, &page), [2, 3]);
}

fn what_is_not_searchable_is_not_found(storage: &mut dyn Storage) {
    write(storage, |storage| Ok(insert_found(storage, 1, "pairing", 1, &[], Some(("wei", "w")))));
    let mut query = Query::new(type_no("pairing"), &[]);
    query.find = Some("wei".to_owned());
    assert_eq!(ids(storage, &query), NONE);
    query.find = None;
    assert_eq!(ids(storage, &query), [1]);
}
