# frozen_string_literal: true

# Runs the shop: `traffic.rb set-up` migrates and fills it, `traffic.rb requests COUNT FILE` sends
# it COUNT requests, the same each time, and writes what was answered to FILE.
#
# SHOP_PORT is the database's port. When all is done it says so and holds its connections until it
# reads a line.

require "active_record"
require_relative "migrations"
require_relative "models"
require_relative "pages"

CITIES = %w[Aachen Basel Cork Delft Essen].freeze
COLORS = %w[red green blue black].freeze
WORDS = %w[lamp chair table shelf sofa mirror clock vase].freeze
TAGS = %w[new sale wood steel glass kids office garden].freeze
CUSTOMERS = 60
PRODUCTS = 300
ORDERS = 500
# As in a small deployment: each has a connection of its own.
WORKERS = 4

# Every method is another die of the same seed.
class Dice
  def initialize(seed)
    @random = Random.new(seed)
  end

  def below(count) = @random.rand(count)
  def one_of(list) = list[below(list.size)]
  def some_of(list, count) = list.shuffle(random: @random).first(count)
  def moment = Time.utc(2024, 1, 1) + below(366 * 24 * 60) * 60

  # Most requests are for few of the things.
  def popular(count) = 1 + [below(count), below(count), below(count)].min

  def weighted(pages)
    at = @random.rand * pages.sum(&:first)
    pages.find { |weight, _| (at -= weight) < 0 }.last.call(self)
  end
end

READS = [
  [20, ->(d) { [:products, d.popular(15)] }],
  [25, ->(d) { [:product, d.popular(PRODUCTS)] }],
  [6, ->(d) { [:stock, d.popular(PRODUCTS)] }],
  [4, ->(d) { [:by_sku, "SKU-#{d.popular(PRODUCTS)}"] }],
  [6, ->(d) { [:search, d.one_of(WORDS)] }],
  [3, ->(d) { [:by_color, d.one_of(COLORS)] }],
  [4, ->(_) { [:tags] }],
  [3, ->(d) { [:prices, d.one_of([5, 10]), d.one_of([50, 90])] }],
  [4, ->(d) { [:customers, d.some_of(CITIES, 2)] }],
  [8, ->(d) { [:orders, d.popular(CUSTOMERS)] }],
  [10, ->(d) { [:order, d.popular(ORDERS)] }],
  [3, ->(d) { [:sales, 1 + d.below(12)] }],
  [3, ->(_) { [:best_sellers] }],
  [3, ->(_) { [:latest] }],
  [0.3, ->(_) { [:export] }]
].freeze

WRITES = [
  [4, ->(d) { [:checkout, d.popular(CUSTOMERS), Array.new(3) { d.popular(PRODUCTS) }, d.moment] }],
  [1, ->(d) { [:cancel, d.popular(ORDERS)] }],
  [1.5, ->(d) { [:ship, d.popular(ORDERS)] }],
  [1, ->(d) { [:edit, d.popular(PRODUCTS), "A #{d.one_of(WORDS)}"] }],
  [1, ->(d) { [:rename, d.popular(PRODUCTS), "SKU-#{d.below(2 * PRODUCTS)}"] }],
  [1, ->(d) { [:tag, d.popular(PRODUCTS), "tag-#{d.below(20)}"] }],
  [0.7, ->(d) { [:move, d.popular(CUSTOMERS), d.one_of(CITIES)] }],
  [0.3, ->(_) { [:restock] }],
  [0.3, ->(d) { [:import, Array.new(2) { "tag-#{d.below(40)}" }] }]
].freeze

def migrate
  ActiveRecord::Migration.verbose = false
  steps = [CreateShop, AddNoteToOrders].each_with_index.map { |step, i| step.new(step.name, i + 1) }
  schema_migration = ActiveRecord::Base.connection.schema_migration
  ActiveRecord::Migrator.new(:up, steps, schema_migration).migrate
end

def fill(dice)
  tags = TAGS.map { |name| Tag.create!(name: name) }
  products = Array.new(PRODUCTS) do |n|
    Product.create!(
      sku: "SKU-#{n}", name: "#{dice.one_of(WORDS).capitalize} #{n}",
      description: "A #{dice.one_of(COLORS)} #{dice.one_of(WORDS)}", stock: dice.below(100),
      price: BigDecimal(500 + dice.below(9400)) / 100, tags: dice.some_of(tags, 2),
      details: { color: dice.one_of(COLORS), weight: dice.below(40) }
    )
  end
  customers = Array.new(CUSTOMERS) do |n|
    Customer.create!(name: "Customer #{n}", email: "customer#{n}@example.org",
                     city: dice.one_of(CITIES))
  end
  Order.transaction do
    ORDERS.times do
      order = customers[dice.below(CUSTOMERS)].orders.create!(placed_at: dice.moment)
      dice.some_of(products, 3).each do |product|
        order.items.create!(product: product, quantity: 1 + dice.below(4), price: product.price)
      end
    end
  end
end

# One request after the other, so that a second run meets the same rows. Each request has the query
# cache that Rails gives it.
def run(count, dice, file)
  inbox = Array.new(WORKERS) { Queue.new }
  outbox = Queue.new
  inbox.each do |queue|
    Thread.new do
      while (page = queue.pop)
        outbox << begin
          ActiveRecord::Base.cache { Pages.public_send(*page).inspect }
        rescue ActiveRecord::ActiveRecordError => e
          "#{e.class}: #{e.message}"
        end
      end
    end
  end
  count.times do |number|
    page = dice.weighted(dice.below(10) < 9 ? READS : WRITES)
    inbox[number % WORKERS] << page
    file.puts "#{number} #{page.inspect} #{outbox.pop}"
  end
  [Customer, Tag, Product, Order, Item].each do |table|
    table.order(:id).each do |row|
      file.puts "#{table.name} #{row.attributes.except('created_at', 'updated_at')}"
    end
  end
end

ActiveRecord::Base.establish_connection(
  adapter: "postgresql", encoding: "unicode", host: "127.0.0.1", port: ENV.fetch("SHOP_PORT"),
  username: "postgres", database: "postgres", pool: WORKERS + 1
)
dice = Dice.new(20_240_229)
if ARGV[0] == "set-up"
  migrate
  fill(dice)
else
  File.open(ARGV[2], "w") { |file| run(ARGV[1].to_i, dice, file) }
end
puts "done"
$stdout.flush
$stdin.gets
