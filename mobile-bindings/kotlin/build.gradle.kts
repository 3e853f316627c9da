// What both modules share: the version of the workspace, and the Kotlin that UniFFI generates from the library.

plugins {
    alias(libs.plugins.android.library) apply false
    alias(libs.plugins.kotlin.android) apply false
    alias(libs.plugins.kotlin.jvm) apply false
}

val workspace: File = rootDir.resolve("../..").canonicalFile
// One place says the version, so that package and library cannot differ.
val workspaceVersion: String = Regex("""(?m)^version = "([^"]+)"""").find(workspace.resolve("Cargo.toml").readText())!!.groupValues[1]

allprojects {
    group = "lastmile"
    version = workspaceVersion
}

extra["workspace"] = workspace

val hostLibrary = if (System.getProperty("os.name").startsWith("Mac")) "liblastmile_mobile.dylib" else "liblastmile_mobile.so"

/** The library and the generator for this computer: what is generated is the same for every processor. */
val buildHost by tasks.registering(Exec::class) {
    workingDir = workspace
    commandLine("cargo", "build", "--locked", "-p", "lastmile-mobile", "-p", "lastmile-bindgen", "--features", "lastmile-mobile/encryption")
}

/** Generates Kotlin into this folder, for Android or for a JVM. */
fun generating(name: String, android: Boolean) = tasks.register<Exec>(name) {
    dependsOn(buildHost)
    val out = layout.buildDirectory.dir("generated/$name").get().asFile
    val config = layout.buildDirectory.file("$name.toml").get().asFile
    outputs.dir(out)
    workingDir = workspace
    doFirst {
        out.deleteRecursively()
        out.mkdirs()
        val table = "[crates.lastmile_mobile.bindings.kotlin]\n"
        val usual = workspace.resolve("mobile-bindings/uniffi.toml").readText()
        check(table in usual) { "uniffi.toml has no table for Kotlin" }
        config.writeText(if (android) usual.replace(table, table + "android = true\n") else usual)
    }
    commandLine(
        "target/debug/lastmile-bindgen", "generate", "target/debug/$hostLibrary", "--language", "kotlin", "--no-format",
        "--config", config.path, "--out-dir", out.path,
    )
}

generating("generateAndroid", android = true)
generating("generateJvm", android = false)
