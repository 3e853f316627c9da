//! Finding the heading row, and what its words mean.

use super::cells::{Grid, GridRow, code};

/// How many filled rows may stand above the headings: titles, notes, the date of the list.
const SEARCHED: usize = 30;

/// A column's heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// The column, from 0.
    pub column: usize,
    /// What the heading says.
    pub text: String,
    /// What the column is taken as.
    pub taken_as: Use,
}

impl Heading {
    /// Returns whether the column is taken as a field.
    #[must_use]
    pub const fn is_field(&self) -> bool {
        matches!(self.taken_as, Use::Field(_))
    }

    /// Returns the column as a spreadsheet names it: `A`, `B`, ... `AA`.
    #[must_use]
    pub fn letters(&self) -> String {
        let mut letters = Vec::new();
        let mut rest = self.column + 1;
        while rest > 0 {
            let digit = u8::try_from((rest - 1) % 26).unwrap_or_default();
            letters.push(char::from(b'A' + digit));
            rest = (rest - 1) / 26;
        }
        letters.iter().rev().collect()
    }
}

/// What a column is taken as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// The field of this name.
    Field(&'static str),
    /// Known, and not needed here.
    Ignored,
    /// Not known.
    Unknown,
}

/// The headings by what they mean, without spaces, brackets and marks. The first field of a name wins; columns of
/// fields that hold several values are joined.
const WORDS: &[(Use, &[&str])] = &[
    (
        Use::Field("name"),
        &["姓名", "名字", "党员姓名", "人员姓名", "成员姓名", "志愿者姓名", "真实姓名", "NAME", "FULLNAME"],
    ),
    (
        Use::Field("id_no"),
        &[
            "身份证号",
            "身份证号码",
            "身份证",
            "公民身份号码",
            "公民身份证号",
            "公民身份证号码",
            "居民身份证号",
            "居民身份证号码",
            "证件号",
            "证件号码",
            "有效证件号",
            "IDNO",
            "IDNUMBER",
        ],
    ),
    (
        Use::Field("phone"),
        &[
            "手机",
            "手机号",
            "手机号码",
            "移动电话",
            "电话",
            "电话号码",
            "联系电话",
            "联系方式",
            "联系手机",
            "本人电话",
            "办公电话",
            "固定电话",
            "PHONE",
            "MOBILE",
            "TEL",
        ],
    ),
    (
        Use::Field("birth_ym"),
        &["出生年月", "出生日期", "出生年月日", "出生时间", "生日", "BIRTH", "BIRTHDAY", "BIRTHDATE", "MONTHOFBIRTH"],
    ),
    (Use::Field("sex"), &["性别", "SEX", "GENDER"]),
    (
        Use::Field("party_status"),
        &["政治面貌", "政治身份", "党员类别", "党员类型", "人员政治面貌", "PARTYSTATUS", "POLITICALSTATUS"],
    ),
    (
        Use::Field("member_since"),
        &["入党时间", "入党日期", "入党年月", "加入组织日期", "加入党组织日期", "加入中共组织日期", "MEMBERSINCE"],
    ),
    (
        Use::Field("employer"),
        &[
            "工作单位",
            "单位",
            "单位名称",
            "所在单位",
            "所属单位",
            "现工作单位",
            "工作单位名称",
            "工作单位及部门",
            "EMPLOYER",
            "ORGANISATION",
            "ORGANIZATION",
        ],
    ),
    (
        Use::Field("job"),
        &["职务", "职位", "岗位", "现任职务", "职务职级", "工作岗位", "单位职务", "JOB", "POSITION", "TITLE"],
    ),
    (
        Use::Field("community"),
        &[
            "报到社区",
            "社区",
            "社区名称",
            "所在社区",
            "居住社区",
            "居住地社区",
            "现居住社区",
            "所属社区",
            "报到社区名称",
            "报到社区村",
            "社区村",
            "村社区",
            "社区代码",
            "COMMUNITY",
        ],
    ),
    (Use::Field("grid"), &["网格", "网格号", "所在网格", "所属网格", "网格代码", "GRID"]),
    (Use::Field("basis"), &["报到依据", "报到类型", "报到方式", "BASIS"]),
    (Use::Field("address_building"), &["楼栋", "楼栋号", "小区楼栋", "居住小区", "所在小区", "小区", "BUILDING"]),
    (Use::Field("skills"), &["特长", "专长", "个人特长", "服务特长", "技能", "特长爱好", "兴趣特长", "SKILLS"]),
    (Use::Field("available"), &["可服务时间", "服务时间", "空闲时间", "AVAILABLE"]),
    (Use::Field("intents"), &["服务意向", "志愿服务意向", "服务项目意向", "认领岗位", "INTENTS"]),
    (Use::Field("volunteer_no"), &["志愿者编号", "志愿者号", "注册志愿者编号", "志愿服务编号", "VOLUNTEERNO"]),
    (Use::Field("exempt_reason"), &["免服务原因", "免于服务原因", "不参加原因", "EXEMPTBECAUSE"]),
    (
        Use::Ignored,
        &[
            "序号",
            "编号",
            "序",
            "NO",
            "NO.",
            "民族",
            "学历",
            "学位",
            "籍贯",
            "年龄",
            "婚姻状况",
            "家庭住址",
            "家庭地址",
            "住址",
            "详细住址",
            "居住地址",
            "现居住地",
            "户籍地址",
            "地址",
            "邮箱",
            "电子邮箱",
            "EMAIL",
            "微信",
            "微信号",
            "QQ",
            "QQ号",
            "党内职务",
            "所在党支部",
            "所在支部",
            "党支部",
            "党组织",
            "所在党组织",
            "区县",
            "街道",
            "所在街道",
            "转正时间",
            "转正日期",
            "参加工作时间",
            "报到时间",
            "报到日期",
            "签名",
            "备注",
            "说明",
            "NOTE",
            "NOTES",
            "REMARK",
        ],
    ),
];

/// Returns what a heading means.
pub(super) fn meaning(heading: &str) -> Use {
    let word = plain(heading);
    WORDS.iter().find(|(_, words)| words.contains(&word.as_str())).map_or(Use::Unknown, |(taken_as, _)| *taken_as)
}

/// Returns a heading's bare words: `* 姓　名（必填）：` is `姓名`.
fn plain(heading: &str) -> String {
    let mut depth = 0_u32;
    let mut word = String::new();
    for c in code(heading).chars() {
        match c {
            '(' | '[' | '【' | '〔' | '<' => depth += 1,
            ')' | ']' | '】' | '〕' | '>' => depth = depth.saturating_sub(1),
            '*' | '★' | '#' | ':' | '/' | '、' | '_' | '-' => {}
            c if depth == 0 => word.push(c),
            _ => {}
        }
    }
    word
}

/// The headings of a grid.
#[derive(Debug)]
pub(super) struct Headings {
    /// Every column that has a heading.
    pub columns: Vec<Heading>,
    /// Where the rows beneath begin, as an index into the grid's rows.
    pub body: usize,
    /// The column with names.
    pub name: usize,
}

impl Headings {
    /// Returns how many columns are understood.
    pub fn score(&self) -> usize {
        self.columns.iter().filter(|heading| heading.taken_as != Use::Unknown).count()
    }
}

/// Finds the row that holds the headings: a name and at least one more field.
pub(super) fn find(grid: &Grid) -> Option<Headings> {
    let mut best: Option<Headings> = None;
    for (index, row) in grid.rows.iter().enumerate().take(SEARCHED) {
        let Some(found) = headings_of(row, index) else { continue };
        if best.as_ref().is_none_or(|best| found.score() > best.score()) {
            best = Some(found);
        }
    }
    let mut found = best?;
    if let Some(row) = grid.rows.get(found.body)
        && is_second_row(row, &found)
    {
        adopt_second_row(row, &mut found);
    }
    Some(found)
}

fn headings_of(row: &GridRow, index: usize) -> Option<Headings> {
    let mut columns: Vec<Heading> = Vec::new();
    for (column, cell) in row.cells.iter().enumerate() {
        let text = cell.content.shown();
        if !text.is_empty() {
            columns.push(Heading { column, taken_as: meaning(&text), text });
        }
    }
    let fields = columns.iter().filter(|heading| heading.is_field()).count();
    let name = columns.iter().find(|heading| heading.taken_as == Use::Field("name"))?.column;
    (fields >= 2).then_some(Headings { columns, body: index + 1, name })
}

/// Returns whether a row holds headings beneath headings, such as 手机 and 邮箱 beneath 联系方式.
fn is_second_row(row: &GridRow, found: &Headings) -> bool {
    let under_name = row.cell(found.name).map(|cell| cell.content.shown()).unwrap_or_default();
    let names_nobody = under_name.is_empty() || meaning(&under_name) == Use::Field("name");
    let texts: Vec<String> =
        row.cells.iter().map(|cell| cell.content.shown()).filter(|text| !text.is_empty()).collect();
    let no_data = texts.iter().all(|text| !text.bytes().any(|byte| byte.is_ascii_digit()));
    names_nobody && no_data && texts.iter().any(|text| meaning(text) != Use::Unknown)
}

fn adopt_second_row(row: &GridRow, found: &mut Headings) {
    for (column, cell) in row.cells.iter().enumerate() {
        let text = cell.content.shown();
        if text.is_empty() || cell.continued {
            continue;
        }
        let taken_as = meaning(&text);
        match found.columns.iter_mut().find(|heading| heading.column == column) {
            // What stands below is the more exact word, where it is understood.
            Some(heading) if taken_as != Use::Unknown => *heading = Heading { column, text, taken_as },
            Some(_) => {}
            None => found.columns.push(Heading { column, text, taken_as }),
        }
    }
    found.columns.sort_by_key(|heading| heading.column);
    found.body += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn understands_headings_as_offices_write_them() {
        for (text, expected) in [
            ("姓　名", "name"),
            ("* 姓名（必填）", "name"),
            ("身份证号码(18位)", "id_no"),
            ("公民身份号码", "id_no"),
            ("联系电话：", "phone"),
            ("出生年月\n（如1980.05）", "birth_ym"),
            ("单位/职务", "job"),
            ("报到社区（村）", "community"),
            ("Full name", "name"),
        ] {
            assert_eq!(meaning(text), Use::Field(expected), "{text}");
        }
        assert_eq!(meaning("民族"), Use::Ignored);
        assert_eq!(meaning("星座"), Use::Unknown);
    }

    #[test]
    fn no_word_means_two_things() {
        let mut words: Vec<&str> = WORDS.iter().flat_map(|(_, words)| words.iter().copied()).collect();
        let before = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), before);
        for word in words {
            assert_eq!(plain(word), word, "a word must be in its plain form to be found");
        }
    }

    #[test]
    fn names_columns_as_spreadsheets_do() {
        let letters = |column| Heading { column, text: String::new(), taken_as: Use::Unknown }.letters();
        assert_eq!([letters(0), letters(25), letters(26), letters(51), letters(255)], ["A", "Z", "AA", "AZ", "IV"]);
    }
}
