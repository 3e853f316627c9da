//! People's names: many family names times given names, skewed as real ones are.
//!
//! The pool is tuned so that two people drawn from it have the same name with a probability of about 5 in a million:
//! among 100,000 people in 843 communities some tens of pairs of namesakes share a community, and some twenty-five
//! thousand share the city.

mod characters;

use characters::CHARACTERS;

use crate::draw::Draw;

/// Family names with their weights.
#[rustfmt::skip]
const FAMILIES: &[(&str, u32)] = &[
    ("刘", 620), ("李", 600), ("陈", 480), ("王", 450), ("张", 450), ("周", 400), ("杨", 310), ("黄", 290),
    ("彭", 270), ("罗", 260), ("唐", 240), ("胡", 225), ("谢", 220), ("曾", 215), ("何", 205), ("肖", 200),
    ("邓", 190), ("吴", 185), ("徐", 150), ("谭", 150), ("蒋", 140), ("易", 120), ("朱", 140), ("郭", 130),
    ("龙", 110), ("文", 105), ("廖", 120), ("贺", 95), ("赵", 120), ("孙", 90), ("袁", 100), ("夏", 85),
    ("熊", 90), ("戴", 75), ("曹", 85), ("姚", 80), ("汤", 70), ("钟", 90), ("向", 90), ("田", 85),
    ("石", 75), ("梁", 70), ("林", 90), ("高", 70), ("郑", 70), ("马", 60), ("范", 65), ("方", 60),
    ("邹", 75), ("段", 60), ("尹", 70), ("匡", 30), ("宋", 75), ("韩", 50), ("冯", 50), ("于", 30),
    ("董", 45), ("程", 45), ("吕", 40), ("丁", 45), ("魏", 40), ("任", 45), ("卢", 45), ("姜", 35),
    ("崔", 25), ("陆", 35), ("汪", 35), ("苏", 45), ("阳", 45), ("粟", 15), ("舒", 30), ("瞿", 20),
    ("余", 75), ("莫", 30), ("颜", 40), ("毛", 45), ("凌", 25), ("左", 30), ("江", 45), ("盛", 20),
    ("柳", 35), ("黎", 50), ("成", 30), ("申", 25), ("喻", 35), ("温", 20), ("涂", 25), ("万", 35),
    ("严", 30), ("贾", 25), ("秦", 30), ("沈", 35), ("薛", 20), ("雷", 60), ("侯", 25), ("邵", 20),
    ("孟", 20), ("龚", 45), ("章", 20), ("童", 25), ("常", 15), ("史", 20), ("康", 25), ("伍", 40),
    ("付", 30), ("傅", 35), ("单", 8), ("仇", 6), ("查", 5), ("解", 6), ("区", 4), ("翟", 8),
    ("乐", 5), ("欧阳", 45), ("上官", 3), ("诸葛", 3), ("司马", 5),
];

/// First and last characters of given names, men's then women's, the usual ones first.
const GIVEN: [(&str, &str); 2] = [
    (
        "志建国文明海永俊家子浩宇晨泽嘉振世德正光荣忠义良成兴新春立仁信礼智远学思凯恒毅坚铭宏伦启昌景乐安康先友达湘岳洪清源伟小晓大玉长少云瑞祥庆福克其中传孝敬东南",
        "伟强军勇杰涛斌波辉刚健明亮飞鹏华平超磊峰国海松柏龙虎云雷震东林森阳航博学维毅坚钧锋鑫宏昌安宁根生和顺友达江洪源清武辰轩睿翔晖旭昊然哲钢彬帆威胜利民祥喜泉兵",
    ),
    (
        "丽玉春秋雪晓小文惠美爱银金翠青清素丹梦子雨思佳慧欣怡雅淑诗语可若依心悦安曼海红桂秀珍建湘月彩静燕婷志永新芳玲云艳凤莲梅兰嘉宇锦紫碧冬亚",
        "芳娟敏静丽艳娜霞玲燕红英梅兰秀珍玉莲菊萍莉蓉琴琳琼瑶璐婷婧妍欣怡佳慧颖洁倩蕾薇茜菲芬香凤云华月虹霜露岚珊瑛琪璇馨贞娴媛嫣婉柔涵琦惠群平辉萱彤纯君",
    ),
];

/// How many given names in a thousand have one character.
const SINGLE: u32 = 118;

/// How slowly the weights of given-name characters fall: the n-th weighs 10,000 / (FLATNESS + n).
const FLATNESS: u32 = 20;

/// The script in which a name was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    /// Simplified characters.
    Plain,
    /// Traditional characters.
    Traditional,
    /// Simplified characters with the reading in brackets after them.
    Bracketed,
    /// Simplified characters with a space between them, as forms pad names of two characters.
    Spaced,
}

/// A person's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name {
    family: &'static str,
    given: [Option<char>; 2],
}

impl Name {
    fn characters(self) -> impl Iterator<Item = char> {
        self.family.chars().chain(self.given.into_iter().flatten())
    }

    /// Writes the name.
    pub(crate) fn write(self, script: Script) -> String {
        match script {
            Script::Plain => self.characters().collect(),
            Script::Traditional => self.characters().map(|c| entry(c).map_or(c, |found| found.1)).collect(),
            Script::Spaced => {
                let given: String = self.given.into_iter().flatten().collect();
                format!("{} {given}", self.family)
            }
            Script::Bracketed => {
                let reading = |text: String, c: char| text + entry(c).map_or("", |found| found.2);
                let family = self.family.chars().fold(String::new(), reading);
                let given = self.given.into_iter().flatten().fold(String::new(), reading);
                format!("{}({family} {given})", self.write(Script::Plain))
            }
        }
    }

    /// The name with its last character mistyped: another one that sounds the same, or failing that any other one.
    pub(crate) fn mistyped(self, draw: &mut Draw) -> Self {
        let [first, second] = self.given;
        let Some(last) = second.or(first) else { return self };
        let sound = entry(last).map_or("", |found| found.2);
        let alike = CHARACTERS.iter().find(|other| other.0 != last && other.2 == sound).map(|other| other.0);
        let other = alike.unwrap_or_else(|| {
            let index = draw.pick_index(CHARACTERS.len()).unwrap_or(0);
            CHARACTERS.iter().cycle().skip(index).map(|other| other.0).find(|other| *other != last).unwrap_or('文')
        });
        let given = if second.is_some() { [first, Some(other)] } else { [Some(other), None] };
        Self { family: self.family, given }
    }
}

fn entry(character: char) -> Option<&'static (char, char, &'static str)> {
    let at = CHARACTERS.binary_search_by_key(&character, |found| found.0).ok()?;
    CHARACTERS.get(at)
}

/// The pool, ready to draw from.
#[derive(Debug, Clone)]
pub(crate) struct NamePool {
    families: Vec<u32>,
    given: [Given; 2],
}

#[derive(Debug, Clone)]
struct Given {
    first: (Vec<char>, Vec<u32>),
    last: (Vec<char>, Vec<u32>),
}

impl NamePool {
    /// Lays out the pool.
    pub(crate) fn new() -> Self {
        let side = |text: &str| {
            let characters: Vec<char> = text.chars().collect();
            let weights = (0..).map(|n: u32| 10_000 / (FLATNESS + n));
            (characters.clone(), sums(weights.take(characters.len())))
        };
        let given = GIVEN.map(|(first, last)| Given { first: side(first), last: side(last) });
        Self { families: sums(FAMILIES.iter().map(|family| family.1)), given }
    }

    /// Draws a name.
    pub(crate) fn draw(&self, draw: &mut Draw, female: bool) -> Name {
        let family = FAMILIES.get(draw.weighted(&self.families)).map_or("", |family| family.0);
        let [men, women] = &self.given;
        let given = if female { women } else { men };
        let one =
            |draw: &mut Draw, (characters, sums): &(Vec<char>, Vec<u32>)| characters.get(draw.weighted(sums)).copied();
        let given = if draw.chance(SINGLE) {
            [one(draw, &given.last), None]
        } else {
            [one(draw, &given.first), one(draw, &given.last)]
        };
        Name { family, given }
    }
}

fn sums(weights: impl Iterator<Item = u32>) -> Vec<u32> {
    weights
        .scan(0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::draw::Stream;

    #[test]
    fn namesakes_are_as_rare_as_in_life() {
        let pool = NamePool::new();
        for seed in 1..=3 {
            let mut draw = Draw::new(seed, Stream::Plan, 0, 0);
            let mut counts: BTreeMap<Name, u64> = BTreeMap::new();
            let people = 100_000;
            for number in 0..people {
                *counts.entry(pool.draw(&mut draw, number % 2 == 0)).or_default() += 1;
            }
            let pairs: u64 = counts.values().map(|count| count * (count - 1) / 2).sum();
            let chance = pairs as f64 / (people as f64 * (people - 1) as f64 / 2.0);
            assert!((4.5e-6..5.5e-6).contains(&chance), "seed {seed}: {chance:e}");
        }
    }

    #[test]
    fn tables_are_sorted_and_complete() {
        assert!(CHARACTERS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let texts = FAMILIES.iter().map(|family| family.0).chain(GIVEN.iter().flat_map(|pair| [pair.0, pair.1]));
        for character in texts.flat_map(str::chars) {
            assert!(entry(character).is_some(), "{character}");
        }
    }

    #[test]
    fn writes_every_script() {
        let name = Name { family: "张", given: [Some('伟'), None] };
        assert_eq!(name.write(Script::Plain), "张伟");
        assert_eq!(name.write(Script::Traditional), "張偉");
        assert_eq!(name.write(Script::Bracketed), "张伟(zhāng wěi)");
        assert_eq!(name.write(Script::Spaced), "张 伟");
        let name = Name { family: "欧阳", given: [Some('建'), Some('国')] };
        assert_eq!(name.write(Script::Bracketed), "欧阳建国(ōuyáng jiànguó)");
        assert_ne!(name.mistyped(&mut Draw::new(1, Stream::Plan, 0, 0)), name);
    }
}
