// Promise: every method of the `ollama` client for Node does what it does with a real Ollama, whichever provider answers.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { Ollama } from 'ollama'

const base = process.env.POLYLLAMA_URL
const ollama = new Ollama({ host: base })
const hello = 'Hello from the model'
// Where it stood between tags, the newline before the closing one stays, as with Ollama: compared without it.
const thought = 'The user wants a greeting.'
const messages = [{ role: 'user', content: 'Hi' }]
const models = [
  'openai:gpt-4o',
  'google:gemini-2.5-flash',
  'llama3.2',
  'openrouter:anthropic/claude-sonnet-4.5',
  'akash:deepseek-ai/DeepSeek-V3.1',
  'cohere:command-a-03-2025',
  'codestral:codestral-latest',
  'qwen:qwen3-vl-plus',
]
const thinkers = models.filter((model) => !/^(openai|cohere|codestral)/.test(model))
const embedders = [
  'openai:text-embedding-3-small',
  'google:gemini-embedding-001',
  'nomic-embed-text',
  'openrouter:openai/text-embedding-3-small',
  'cohere:embed-v4.0',
  'qwen:text-embedding-v4',
]

async function all(stream) {
  const out = []
  for await (const item of await stream) out.push(item)
  return out
}

const names = async () => (await ollama.list()).models.map((row) => row.model)
const near = (got, want) => got.length === want.length && got.every((n, i) => Math.abs(n - want[i]) < 1e-4)

for (const model of thinkers) {
  test(`thinking, ${model}`, async () => {
    const asked = { model, messages: [{ role: 'user', content: 'Think, then greet.' }], think: true }
    const { message } = await ollama.chat(asked)
    assert.deepEqual([message.thinking.trim(), message.content], [thought, hello])
    const chunks = await all(ollama.chat({ ...asked, stream: true }))
    assert.equal(chunks.map((chunk) => chunk.message.thinking ?? '').join('').trim(), thought)
    assert.equal(chunks.map((chunk) => chunk.message.content).join(''), hello)
    const generated = await ollama.generate({ model, prompt: 'Think, then greet.', think: 'high' })
    assert.deepEqual([generated.thinking.trim(), generated.response], [thought, hello])
  })
}

for (const model of models) {
  test(`load, ps and unload, ${model}`, async () => {
    assert.equal((await ollama.generate({ model, prompt: '' })).done_reason, 'load')
    await ollama.chat({ model, messages, options: { num_predict: 8, temperature: 0 }, keep_alive: '10m' })
    const isIt = (row) => row.name === model || row.name === `${model}:latest`
    const row = (await ollama.ps()).models.find(isIt)
    assert.ok(new Date(row.expires_at) > new Date() && row.digest.length === 64 && row.size >= 0)
    assert.equal((await ollama.generate({ model, prompt: '', keep_alive: 0 })).done_reason, 'unload')
    assert.equal((await ollama.ps()).models.find(isIt), undefined)
  })

  test(`pull of a listed model, ${model}`, async () => {
    assert.equal((await ollama.pull({ model, stream: false })).status, 'success')
    assert.equal((await all(ollama.pull({ model, stream: true }))).at(-1).status, 'success')
  })

  test(`abort, ${model}`, async () => {
    const client = new Ollama({ host: base })
    const left = async () => Number(await (await fetch(`${process.env.UPSTREAM_URL}/left`)).text())
    const before = await left()
    const stream = await client.chat({ model, messages: [{ role: 'user', content: 'Wait.' }], stream: true })
    await assert.rejects(
      async () => {
        for await (const chunk of stream) if (chunk.message.content) client.abort()
      },
      { name: 'AbortError' }
    )
    const deadline = Date.now() + 20_000
    while ((await left()) === before) assert.ok(Date.now() < deadline, 'the provider still answers')
  })
}

for (const model of embedders) {
  test(`vectors, ${model}`, async () => {
    const answer = await ollama.embed({ model, input: ['three', 'more and more'] })
    assert.ok(near(answer.embeddings[0].slice(0, 2), [0.7809, 0.6247]), answer.embeddings)
    assert.equal(answer.embeddings.length, 2)
    assert.equal(answer.model, model)
    assert.ok(near((await ollama.embeddings({ model, prompt: 'three' })).embedding, [5, 4, 0]))
  })
}

test('version, show and system one', async () => {
  assert.match((await ollama.version()).version, /^\d+\.\d+\.\d+$/)
  const shown = await ollama.show({ model: 'qwen:qwen3-vl-plus', verbose: true })
  assert.ok(shown.model_info['general.architecture'] && shown.details && shown.capabilities.length)
  if (ollama.systemone) {
    // A real Ollama of this version has no such route either.
    const asked = { model: 'llama3.2', state: 'x', questions: { q: { type: 'noul', instructions: 'Is it?' } } }
    await assert.rejects(ollama.systemone(asked), { name: 'ResponseError' })
  }
})

test('pull, with progress', async () => {
  const lines = await all(ollama.pull({ model: 'node-pulled', stream: true }))
  assert.deepEqual(lines.filter((line) => line.digest).map((line) => line.completed), [1000, 3000])
  assert.ok((await names()).includes('node-pulled:latest'))
  assert.deepEqual(await ollama.delete({ model: 'node-pulled' }), { status: 'success' })
  assert.ok(!(await names()).includes('node-pulled:latest'))
  await assert.rejects(all(ollama.pull({ model: 'missing', stream: true })), /file does not exist/)
  await assert.rejects(ollama.pull({ model: 'missing' }), { status_code: 500, message: /file does not exist/ })
})

test('push', async () => {
  assert.equal((await ollama.push({ model: 'llama3.2' })).status, 'success')
  assert.equal((await all(ollama.push({ model: 'llama3.2', stream: true }))).at(-1).status, 'success')
})

test('create, copy and delete', async () => {
  const made = await all(ollama.create({ model: 'node-made', from: 'llama3.2', system: 'Arr.', stream: true }))
  assert.equal(made.at(-1).status, 'success')
  assert.deepEqual(await ollama.copy({ source: 'node-made', destination: 'node-copy' }), { status: 'success' })
  assert.equal((await ollama.generate({ model: 'node-copy', prompt: 'Hi' })).response, hello)
  for (const model of ['node-made', 'node-copy']) await ollama.delete({ model })
  await assert.rejects(ollama.delete({ model: 'node-made' }), { status_code: 404 })
  await assert.rejects(ollama.delete({ model: 'openai:gpt-4o' }), /gpt-4o/)
})

test('create from a blob', async () => {
  const weights = randomBytes(100_000)
  const digest = `sha256:${createHash('sha256').update(weights).digest('hex')}`
  const blob = `${base}/api/blobs/${digest}`
  assert.equal((await fetch(blob, { method: 'HEAD' })).status, 404)
  assert.equal((await fetch(blob, { method: 'POST', body: weights })).status, 201)
  assert.equal((await fetch(blob, { method: 'HEAD' })).status, 200)
  assert.equal((await ollama.create({ model: 'node-blob', files: { 'weights.gguf': digest } })).status, 'success')
  await ollama.delete({ model: 'node-blob' })
})
