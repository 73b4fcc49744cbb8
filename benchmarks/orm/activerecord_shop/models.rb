# frozen_string_literal: true

class Customer < ActiveRecord::Base
  has_many :orders, dependent: :destroy
  validates :email, presence: true, uniqueness: true
end

class Tag < ActiveRecord::Base
  has_and_belongs_to_many :products
  validates :name, presence: true, uniqueness: { case_sensitive: false }
end

class Product < ActiveRecord::Base
  has_and_belongs_to_many :tags
  has_many :items
  scope :active, -> { where(active: true) }
  validates :sku, uniqueness: true
end

class Order < ActiveRecord::Base
  belongs_to :customer, counter_cache: true, touch: true
  has_many :items, dependent: :destroy
  has_many :products, through: :items
end

class Item < ActiveRecord::Base
  belongs_to :order, touch: true
  belongs_to :product
end
