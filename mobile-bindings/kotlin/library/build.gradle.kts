// The AAR: the library for each processor of phones, what UniFFI generates, and the package over it.

import java.nio.ByteBuffer
import java.nio.ByteOrder

plugins {
    alias(libs.plugins.android.library)
    alias(libs.plugins.kotlin.android)
    `maven-publish`
}

val workspace: File by rootProject.extra
val abis = listOf("arm64-v8a", "armeabi-v7a", "x86_64")
val libraries = layout.buildDirectory.dir("jniLibs")
val lowestSdk = 26

/** The library by cargo-ndk, which finds the NDK by ANDROID_NDK_HOME. */
val buildLibrary by tasks.registering(Exec::class) {
    workingDir = workspace
    // Phones of Android 15 and later may have pages of 16 KB.
    environment("RUSTFLAGS", "-C link-arg=-Wl,-z,max-page-size=16384")
    commandLine(
        listOf("cargo", "ndk") + abis.flatMap { listOf("-t", it) } +
            listOf("-P", "$lowestSdk", "-o", libraries.get().asFile.path, "build", "--locked", "--profile", "mobile") +
            listOf("-p", "lastmile-mobile", "--lib", "--features", "encryption"),
    )
    outputs.dir(libraries)
    // Cargo knows best what is new.
    outputs.upToDateWhen { false }
}

/** Refuses a library whose parts a phone with pages of 16 KB would not load. */
val checkPages by tasks.registering {
    dependsOn(buildLibrary)
    doLast {
        for (abi in abis.filter { "64" in it }) {
            val file = libraries.get().file("$abi/liblastmile_mobile.so").asFile
            val elf = ByteBuffer.wrap(file.readBytes()).order(ByteOrder.LITTLE_ENDIAN)
            val (first, size, count) = Triple(elf.getLong(32).toInt(), elf.getShort(54).toInt(), elf.getShort(56).toInt())
            val loaded = (0 until count).map { first + it * size }.filter { elf.getInt(it) == 1 }
            check(loaded.isNotEmpty() && loaded.all { elf.getLong(it + 48) >= 0x4000 }) { "$file is not made for pages of 16 KB" }
        }
    }
}

android {
    namespace = "lastmile"
    compileSdk = 35
    defaultConfig {
        minSdk = lowestSdk
        consumerProguardFiles("consumer-rules.pro")
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
        isCoreLibraryDesugaringEnabled = false
    }
    kotlinOptions { jvmTarget = "17" }
    sourceSets.named("main") {
        kotlin.srcDir("src/main/kotlin")
        kotlin.srcDir(rootProject.tasks.named("generateAndroid"))
        jniLibs.srcDir(libraries)
    }
    publishing { singleVariant("release") { withSourcesJar() } }
}

tasks.named("preBuild") { dependsOn(checkPages, rootProject.tasks.named("generateAndroid")) }

dependencies {
    api(libs.coroutines.android)
    // The AAR of JNA brings its own library for each processor.
    api("${libs.jna.get()}@aar")
}

publishing {
    publications {
        register<MavenPublication>("release") {
            artifactId = "lastmile"
            afterEvaluate { from(components["release"]) }
        }
    }
}
