// A plain jar of the same sources, for tests on a computer. The library itself is found by JNA: -Djna.library.path=target/debug

plugins {
    alias(libs.plugins.kotlin.jvm)
    `maven-publish`
}

kotlin {
    jvmToolchain(17)
    sourceSets.named("main") {
        kotlin.srcDir("../library/src/main/kotlin")
        kotlin.srcDir(rootProject.tasks.named("generateJvm"))
    }
}

dependencies {
    api(libs.coroutines.core)
    api(libs.jna)
}

publishing {
    publications {
        register<MavenPublication>("jvm") {
            artifactId = "lastmile-jvm"
            from(components["java"])
        }
    }
}
