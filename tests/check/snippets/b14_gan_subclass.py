import tensorflow as tf
from tensorflow.keras import layers, models, optimizers


class GAN(models.Model):
    def __init__(self, discriminator, generator, latent_dim):
        super(GAN, self).__init__()
        self.discriminator = discriminator
        self.generator = generator
        self.latent_dim = latent_dim

    def compile(self, d_optimizer, g_optimizer, loss_fn):
        super(GAN, self).compile(jit_compile=False)
        self.d_optimizer = d_optimizer
        self.g_optimizer = g_optimizer
        self.loss_fn = loss_fn

    def train_step(self, real_images):
        noise = tf.random.normal(shape=(tf.shape(real_images)[0], self.latent_dim))
        with tf.GradientTape() as tape:
            predictions = self.discriminator(self.generator(noise))
            loss = self.loss_fn(tf.zeros_like(predictions), predictions)
        grads = tape.gradient(loss, self.generator.trainable_weights)
        self.g_optimizer.apply_gradients(zip(grads, self.generator.trainable_weights))
        return {"loss": loss}


d = models.Sequential([layers.Flatten(), layers.Dense(1)])
g = models.Sequential([layers.Dense(784), layers.Reshape((28, 28, 1))])
gan = GAN(discriminator=d, generator=g, latent_dim=64)
gan.compile(d_optimizer=optimizers.Adam(), g_optimizer=optimizers.Adam(),
            loss_fn=tf.keras.losses.BinaryCrossentropy(from_logits=True))
gan.fit(tf.data.Dataset.from_tensor_slices(tf.zeros((8, 28, 28, 1))).batch(2), epochs=1)
