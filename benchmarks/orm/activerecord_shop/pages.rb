# frozen_string_literal: true

# What the shop's actions ask of the database. Each takes its arguments and returns what it would
# render.
module Pages
  module_function

  # --- pages that only look ---

  def products(page)
    found = Product.active.order(:name, :id).includes(:tags)
    [found.count, found.limit(20).offset(20 * (page - 1)).map do |p|
      [p.id, p.name, p.price, p.stock, p.tags.map(&:name).sort]
    end]
  end

  def product(id)
    found = Product.find(id)
    related = Product.active.joins(:tags).where(tags: { id: found.tag_ids }).where.not(id: id)
    [found.sku, found.name, found.description, found.price, found.details,
     found.tags.order(:name).pluck(:name), related.distinct.order(:id).limit(5).pluck(:id, :name),
     found.items.sum(:quantity)]
  end

  def stock(id)
    [Product.where(id: id).where("stock > ?", 0).exists?,
     Item.joins(:order).where(product_id: id, orders: { status: "new" }).any?]
  end

  def by_sku(sku)
    Product.find_by(sku: sku)&.slice(:id, :name, :price)
  end

  def search(words)
    like = "%#{Product.sanitize_sql_like(words)}%"
    Product.where("name ILIKE :q OR description ILIKE :q", q: like).order(:name, :id).limit(20)
           .pluck(:id, :name)
  end

  def by_color(color)
    Product.where("details->>'color' = ?", color).order(:id).pluck(:id, :details)
  end

  def tags
    Tag.left_joins(:products).group(:id).order(:name)
       .pluck(:name, Arel.sql("COUNT(products.id)"), Arel.sql("MAX(products.price)"))
  end

  def prices(from, to)
    [Product.where(price: from..to).group(:active).order(:active).average(:price),
     Product.where(price: from..to).minimum(:stock)]
  end

  def customers(cities)
    Customer.where(city: cities).order(:name).includes(:orders).map do |c|
      [c.name, c.city, c.orders_count, c.orders.map(&:status).tally.sort]
    end
  end

  def orders(customer)
    Customer.find(customer).orders.includes(items: :product).order(placed_at: :desc, id: :desc)
            .limit(10).map do |o|
      [o.id, o.status, o.placed_at, o.items.map { |i| [i.product.name, i.quantity, i.price] }.sort]
    end
  end

  def order(id)
    found = Order.eager_load(:customer, items: :product).find_by(id: id)
    return nil unless found

    [found.customer.name, found.status, found.placed_at, found.items.sum("price * quantity"),
     found.items.map { |i| [i.product.sku, i.quantity] }.sort]
  end

  def sales(month)
    start = Time.utc(2024, month)
    Order.joins(:items).where(placed_at: start...(start + 1.month))
         .group(Arel.sql("date_trunc('day', placed_at)"))
         .order(Arel.sql("date_trunc('day', placed_at)"))
         .sum(Arel.sql("items.price * items.quantity"))
  end

  def best_sellers
    Item.joins(:product).group("products.id", "products.name")
        .order(Arel.sql("SUM(quantity) DESC"), "products.id").limit(10).sum(:quantity)
  end

  def latest
    [Order.where(status: "new").order(:placed_at, :id).last&.id, Order.maximum(:placed_at),
     Order.where.not(status: "new").first&.id, Order.count]
  end

  def export
    skus = []
    Product.find_each(batch_size: 100) { |p| skus << [p.sku, p.stock] }
    skus
  end

  # --- pages that change something ---

  # Locks the products, takes them from the stock, writes the order.
  def checkout(customer, products, placed_at)
    Order.transaction do
      found = Product.where(id: products).order(:id).lock.to_a.select { |p| p.stock >= 2 }
      order = Customer.find(customer).orders.create!(placed_at: placed_at)
      found.each do |p|
        order.items.create!(product: p, quantity: 2, price: p.price)
        p.update!(stock: p.stock - 2)
      end
      [order.id, order.items.count]
    end
  end

  def cancel(id)
    Order.find_by(id: id)&.destroy&.id
  end

  def ship(id)
    Order.where(id: id).update_all(status: "shipped")
  end

  # Somebody else is faster.
  def edit(id, description)
    mine = Product.find(id)
    Product.find(id).update!(description: description)
    mine.update!(description: "too late")
  rescue ActiveRecord::StaleObjectError
    [:stale, Product.find(id).lock_version]
  end

  # A unique key that may be taken already: the savepoint saves the rest.
  def rename(id, sku)
    Product.transaction do
      product = Product.find(id)
      taken = begin
        Product.transaction(requires_new: true) { product.update_columns(sku: sku) }
        false
      rescue ActiveRecord::RecordNotUnique
        true
      end
      product.touch
      taken
    end
  end

  def tag(id, name)
    product = Product.find(id)
    tag = Tag.find_or_create_by!(name: name)
    product.tags << tag unless product.tags.include?(tag)
    product.tags.size
  end

  def move(customer, city)
    Customer.find(customer).update!(city: city)
  end

  def restock
    Product.where("stock < 5").update_all("stock = stock + 50")
  end

  def import(names)
    Tag.insert_all(names.map { |name| { name: name } })
    Tag.count
  end
end
