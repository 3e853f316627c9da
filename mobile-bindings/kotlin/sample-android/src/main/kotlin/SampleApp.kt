// The app: what it does when it starts, comes to the front and leaves it.

package org.example.lastmile.sample

import android.app.Application
import android.net.ConnectivityManager
import android.net.Network
import android.os.Bundle
import androidx.activity.ComponentActivity
import androidx.activity.compose.setContent
import androidx.activity.enableEdgeToEdge
import androidx.lifecycle.DefaultLifecycleObserver
import androidx.lifecycle.LifecycleOwner
import androidx.lifecycle.ProcessLifecycleOwner
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.launch

class SampleApp : Application() {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Main.immediate)

    /** One for the whole process: the screens and the worker share the replica. */
    val device: Device by lazy {
        val key = noBackupFilesDir.resolve("replica.key")
        Device(noBackupFilesDir.resolve("replica"), scope) { makesOne -> DeviceKey(key, makesOne) }
    }

    override fun onCreate() {
        super.onCreate()
        SyncWorker.schedule(this)
        // A worker's process begins without a screen: it opens the replica when it needs it.
        ProcessLifecycleOwner.get().lifecycle.addObserver(object : DefaultLifecycleObserver {
            override fun onStart(owner: LifecycleOwner) = device.appeared()

            override fun onStop(owner: LifecycleOwner) {
                device.disappeared()
                // What was just recorded goes out as soon as there is a network, whatever becomes of the process.
                SyncWorker.soon(this@SampleApp)
            }
        })
        getSystemService(ConnectivityManager::class.java).registerDefaultNetworkCallback(object : ConnectivityManager.NetworkCallback() {
            override fun onAvailable(network: Network) {
                scope.launch { device.networkAppeared() }
            }
        })
    }
}

class MainActivity : ComponentActivity() {
    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        enableEdgeToEdge()
        val device = (application as SampleApp).device
        setContent { MainScreen(device) }
    }
}
