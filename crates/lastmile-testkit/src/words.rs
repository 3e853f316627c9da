//! The words that the data is made of: what activities are called, where they happen, what people can do.

/// The main categories of activities with the titles that occur in each.
pub(crate) const CATEGORIES: [(&str, &[&str]); 13] = [
    ("environment", &["清洁日", "楼道清理", "绿化修整", "河岸捡拾垃圾", "清除小广告"]),
    ("elderly", &["看望空巢老人", "陪老人聊天", "为老人理发", "老人生日会"]),
    ("children", &["留守儿童陪伴", "亲子阅读", "暑期儿童乐园"]),
    ("disability", &["助残上门服务", "困难家庭帮扶", "轮椅出行陪护"]),
    ("tutoring", &["课业辅导", "爱心送课", "英语角", "数学答疑"]),
    ("counselling", &["心理辅导", "心理健康讲座", "家庭关系沙龙"]),
    ("culture", &["广场文艺演出", "书法进社区", "经典诵读", "邻里节"]),
    ("order", &["交通劝导", "治安巡逻", "文明出行宣传"]),
    ("outreach", &["安全知识宣传", "政策宣讲", "消防演练", "防诈骗宣传"]),
    ("health", &["义诊", "健康检查", "急救知识培训", "血压测量"]),
    ("employment", &["就业培训", "招聘信息发布", "家政技能培训"]),
    ("repair", &["家电维修", "便民磨刀", "水电检修"]),
    ("other", &["共上党课", "需求调查", "走访慰问"]),
];

/// How often each category occurs, as ascending sums of weights.
pub(crate) const CATEGORY_SUMS: [u32; 13] = [20, 34, 42, 49, 58, 62, 70, 78, 87, 93, 96, 99, 102];

/// The forms of activity that are no plain service, by category.
pub(crate) fn form(category: usize, title: &str) -> &'static str {
    match (category, title) {
        (12, "共上党课") => "lecture",
        (12, "走访慰问") => "visit",
        (9, "健康检查" | "血压测量") => "checkup",
        (10, _) => "training",
        _ => "service",
    }
}

/// Whom activities serve.
pub(crate) const GROUPS: [&str; 8] =
    ["elderly", "children", "disabled", "hardship", "jobseekers", "migrants", "residents", "other"];

/// Free words beside the main category.
pub(crate) const TAGS: [&str; 8] = ["学雷锋", "主题党日", "周末", "节前", "创文", "入户", "公益", "邻里"];

/// Where activities happen, inside a community.
pub(crate) const VENUES: [&str; 10] = [
    "社区服务中心",
    "文化广场",
    "党群活动室",
    "一号院",
    "二号院",
    "小学门口",
    "农贸市场",
    "日间照料中心",
    "健身广场",
    "江边步道",
];

/// What a worker writes beside an activity.
pub(crate) const NOTES: [&str; 8] = [
    "居民反映良好",
    "因下雨改在室内",
    "工具由单位提供",
    "下次请带宣传册",
    "有两户没有人在家",
    "与物业一起组织",
    "请补拍照片",
    "参加人数比上次多",
];

/// Projects that some activities belong to.
pub(crate) const PROJECTS: [&str; 5] = ["百名教师送课", "四点半课堂", "幸福晚晴", "平安夜巡", "清洁家园"];

/// What people can do.
pub(crate) const SKILLS: [&str; 12] =
    ["教学", "医疗", "法律咨询", "维修", "书法", "摄影", "心理咨询", "文艺表演", "计算机", "驾驶", "烹饪", "外语"];

/// When people can help.
pub(crate) const AVAILABLE: [&str; 5] = ["workday", "evening", "weekend", "holiday", "any"];

/// What people are at work.
pub(crate) const JOBS: [&str; 12] =
    ["科员", "教师", "医生", "护士", "工程师", "会计", "主任科员", "副科长", "科长", "办事员", "技术员", "司机"];

/// Why a registration went back.
pub(crate) const RETURN_REASONS: [&str; 4] = ["地址不在本社区", "电话号码无法接通", "请补充工作单位", "请核对出生年月"];

/// Why an activity went back.
pub(crate) const ACTIVITY_RETURN_REASONS: [&str; 3] = ["请补充服务人次", "请核对日期", "参加名单不完整"];

/// Why a check-in ended, with the status that the person has then.
pub(crate) const ENDINGS: [(&str, &str); 3] = [("退休", "retired"), ("组织关系转出", "left"), ("去世", "dead")];

/// The systems that organisations belong to, with how often in a hundred, and what their members are called.
pub(crate) const SYSTEMS: [(&str, u32, OrgForm); 10] = [
    ("教育系统", 22, OrgForm { kind: "school", before: "长沙市第", after: "中学党总支" }),
    ("卫生系统", 10, OrgForm { kind: "institution", before: "长沙市第", after: "医院党委" }),
    ("财税系统", 8, OrgForm { kind: "agency", before: "长沙市财税局第", after: "党支部" }),
    ("政法系统", 12, OrgForm { kind: "agency", before: "长沙市政法机关第", after: "党支部" }),
    ("交通系统", 8, OrgForm { kind: "state_enterprise", before: "长沙市公共交通第", after: "公司党总支" }),
    ("住建系统", 8, OrgForm { kind: "agency", before: "长沙市住建局第", after: "党支部" }),
    ("农业系统", 8, OrgForm { kind: "institution", before: "长沙市农业服务第", after: "站党支部" }),
    ("文化系统", 7, OrgForm { kind: "institution", before: "长沙市文化馆第", after: "分馆党支部" }),
    ("国资系统", 9, OrgForm { kind: "state_enterprise", before: "长沙市城建集团第", after: "公司党委" }),
    ("两新组织", 8, OrgForm { kind: "new_org", before: "长沙市科技园第", after: "联合党支部" }),
];

/// How the organisations of one system are named.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OrgForm {
    /// The kind of organisation.
    pub(crate) kind: &'static str,
    /// What stands before the number.
    pub(crate) before: &'static str,
    /// What stands after it.
    pub(crate) after: &'static str,
}

/// The programme that the teams belong to.
pub(crate) const PROGRAMME: &str = "百千万工程";

/// The first words of the teams' names.
pub(crate) const TEAM_WORDS: [&str; 12] =
    ["青色", "麓枫", "湘江", "红烛", "暖阳", "星火", "春雨", "同心", "岳麓", "橘洲", "蓝盾", "晚晴"];
